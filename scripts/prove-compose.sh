#!/usr/bin/env bash
# Proves docker-compose.yml on the engine that DOCKER_HOST names: bash scripts/with-docker-engine.sh bash scripts/prove-compose.sh
# Up, calls to both gateways, one killed, Redis killed and restarted, the state is there, down. Bases are made from packages.
set -euo pipefail
cd "$(dirname "$0")/.."
compose=docker-compose
docker compose version >/dev/null 2>&1 && compose="docker compose"
grpcurl=.cache/e2e/bin/grpcurl
# The same project name twice on one engine would be one project.
export COMPOSE_PROJECT_NAME=p2prcproof$$
export PUBLIC_IP=off
read -r PORT_A PORT_B < <(node -e '
  const net = require("node:net");
  const servers = [0, 1].map(() => net.createServer().listen(0, "127.0.0.1"));
  Promise.all(servers.map((s) => new Promise((r) => s.once("listening", r)))).then(() => {
    console.log(servers.map((s) => s.address().port).join(" "));
    servers.forEach((s) => s.close());
  });')
export PORT_A PORT_B
eval "$(bash scripts/make-compose-bases.sh)"

say() { echo "prove-compose: $*"; }
fail() { say "FAILED: $*"; $compose logs --no-color --tail 40 >&2 || true; exit 1; }
finish() {
  local code=$?
  trap - EXIT
  $compose down --volumes --timeout 20 >/dev/null 2>&1 || true
  exit "$code"
}
trap finish EXIT

call() { # PORT METHOD JSON
  "$grpcurl" -plaintext -max-time 10 -d "$3" "127.0.0.1:$1" "$2"
}
client() { call "$1" "p2prc.client.v1.ClientService/$2" "$3"; }
until_serving() { # PORT: within 60 s
  for _ in $(seq 120); do
    call "$1" grpc.health.v1.Health/Check '{}' 2>/dev/null | grep -q '"SERVING"' && return
    sleep 0.5
  done
  fail "port $1 does not serve"
}
until_shows() { # PORT GROUP: another gateway sees a commit a moment later
  for _ in $(seq 40); do
    client "$1" ListGroups '{}' 2>/dev/null | grep -q "$2" && return
    sleep 0.25
  done
  fail "port $1 does not show $2"
}
make_group() { client "$1" CreateGroup "{\"requestId\":\"$2\"}" | sed -n 's/.*"id": "\(grp[^"]*\)".*/\1/p'; }

$compose up --build --detach --quiet-pull >.cache/compose-up.log 2>&1 || { tail -40 .cache/compose-up.log >&2; fail "up"; }
until_serving "$PORT_A"
until_serving "$PORT_B"
say "up: both gateways serve"

[ "$($compose exec -T gateway-a id -u)" = 10001 ] || fail "a gateway runs as root"
[ "$($compose exec -T redis id -u)" = 999 ] || fail "Redis runs as root"
for service in gateway-a gateway-b; do
  published=$(docker inspect --format '{{range .NetworkSettings.Ports}}{{range .}}{{.HostIp}} {{end}}{{end}}' "$($compose ps -q $service)")
  [ "$published" = "127.0.0.1 " ] || fail "$service is published on $published"
done
say "users without rights, ports on loopback only"

first=$(make_group "$PORT_A" one)
[ -n "$first" ] || fail "no group was made"
until_shows "$PORT_B" "$first"
[ "$(make_group "$PORT_B" one)" = "$first" ] || fail "a request_id is not one for both gateways"
say "a commit on one gateway is seen on the other"

$compose kill -s SIGKILL gateway-a >/dev/null 2>&1
second=$(make_group "$PORT_B" two)
[ -n "$second" ] || fail "the gateway that is left does not work"
$compose start gateway-a >/dev/null 2>&1
until_serving "$PORT_A"
until_shows "$PORT_A" "$second"
say "one gateway killed: the other goes on, and the first catches up"

$compose kill -s SIGKILL redis >/dev/null 2>&1
client "$PORT_B" CreateGroup '{}' >/dev/null 2>&1 && fail "a change was confirmed without Redis"
until_shows "$PORT_B" "$second"
$compose start redis >/dev/null 2>&1
until_serving "$PORT_A"
until_serving "$PORT_B"
for port in "$PORT_A" "$PORT_B"; do
  until_shows "$port" "$first"
  until_shows "$port" "$second"
done
[ -n "$(make_group "$PORT_A" three)" ] || fail "no change after Redis came back"
say "Redis killed and started again: the state is there"

$compose restart --timeout 20 >/dev/null 2>&1
until_serving "$PORT_A"
until_shows "$PORT_A" "$second"
$compose down --volumes --timeout 20 >/dev/null 2>&1 || fail "down"
[ -z "$(docker ps --all --quiet --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME")" ] || fail "containers are left"
say "restarted whole, and down again"
