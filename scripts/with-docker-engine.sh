#!/usr/bin/env bash
# Runs a command with a Docker Engine that has the devnet's base image: with-docker-engine.sh COMMAND [ARGUMENT...]
# DOCKER_HOST names the engine. One that runs already is used as it is; else one is started that touches neither firewall
# nor forwarding of this machine (P2PRC_DOCKER_FIREWALL=true: rules for networks of its own, which a machine may need to let
# containers talk to each other), keeps its data in a folder of its own, and is ended by its process id.
# Exit code 77, with what dockerd said: the kernel refuses to run containers.
set -euo pipefail
cd "$(dirname "$0")/.."
image=p2prc-devnet-base
# Its name is no other's: 15 characters at most.
bridge=p2prc-br$$
# Two that run at once on one machine must not share a subnet.
subnet=${P2PRC_DOCKER_BRIDGE:-172.29.$((RANDOM % 256)).1/24}
sudo=()
[ "$(id -u)" = 0 ] || sudo=(sudo)
say() { echo "with-docker-engine: $*" >&2; }

folder= engine= work=
finish() {
  local code=$?
  trap - EXIT
  if [ -n "$work" ]; then
    kill -TERM -- "-$work" 2>/dev/null || true
    wait "$work" 2>/dev/null || true
  fi
  if [ -n "$engine" ]; then
    "${sudo[@]}" kill "$engine" 2>/dev/null || true
    # dockerd ends its containers first; `wait` knows only children, which it is not behind sudo.
    for _ in $(seq 1200); do "${sudo[@]}" kill -0 "$engine" 2>/dev/null || break; sleep 0.1; done
  fi
  [ -z "$folder" ] || { "${sudo[@]}" ip link delete "$bridge" 2>/dev/null || true
    # What a container on the host's network leaves mounted.
    "${sudo[@]}" umount "$folder"/exec/netns/* 2>/dev/null || true
    "${sudo[@]}" rm -rf "$folder"; }
  exit "$code"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# FILE: what was said, whether it is the kernel that refuses; anything else is a failure of ours.
judge() {
  tail -15 "$1" >&2
  if grep -qiE 'operation not permitted|permission denied|not supported|no such device|function not implemented|cgroup' "$1"; then
    say "the kernel refuses to run containers"
    exit 77
  fi
  say "the engine does not run containers"
  exit 1
}

if [ -n "${DOCKER_HOST:-}" ]; then
  docker version >/dev/null
elif ! docker version >/dev/null 2>&1; then
  folder=$(mktemp -d /tmp/p2prc-engine.XXXXXX)
  export DOCKER_HOST=unix://$folder/docker.sock
  log=$folder/dockerd.log
  { "${sudo[@]}" ip link add "$bridge" type bridge && "${sudo[@]}" ip address add "$subnet" dev "$bridge" &&
    "${sudo[@]}" ip link set "$bridge" up; } >"$log" 2>&1 || judge "$log"
  # A process group of its own: Ctrl-C is for the command, and the engine must outlive it to clean up. It does not outlive
  # this script, should that be killed, unless sudo stands between them.
  setsid "${sudo[@]}" setpriv --pdeathsig TERM dockerd --host "$DOCKER_HOST" --group "$(id -gn)" \
    --data-root "$folder/data" --exec-root "$folder/exec" --pidfile "$folder/docker.pid" --bridge "$bridge" \
    --iptables="${P2PRC_DOCKER_FIREWALL:-false}" --ip6tables=false --ip-forward=false --ip-masq=false \
    >>"$log" 2>&1 </dev/null &
  # Three minutes: a busy machine takes its time.
  for _ in $(seq 1800); do
    docker version >/dev/null 2>&1 && break
    kill -0 $! 2>/dev/null || judge "$log"
    sleep 0.1
  done
  docker version >/dev/null || judge "$log"
  engine=$("${sudo[@]}" cat "$folder/docker.pid")
fi

archive=$(bash scripts/make-base-image.sh)
recipe=$(basename "$archive" .tar)
docker image inspect "$image:$recipe" >/dev/null 2>&1 || docker import "$archive" "$image:$recipe" >/dev/null
docker tag "$image:$recipe" "$image:latest"
probe=$(mktemp)
docker run --rm "$image" true >"$probe" 2>&1 || judge "$probe"
rm -f "$probe"
# A terminal tells the command itself of Ctrl-C. Else it runs in the background, in a group of its own: bash hears of a
# signal between commands only, or in `wait`.
if [ -t 0 ]; then
  "$@"
else
  set -m
  "$@" &
  work=$!
  set +m
  status=0
  wait "$work" || status=$?
  work=
  exit "$status"
fi
