#!/usr/bin/env bash
# Proves docker-compose.yml on the engine that DOCKER_HOST names: bash scripts/with-docker-engine.sh bash scripts/prove-compose.sh
# What is proven stands in test/e2e/compose.test.ts. Bases are made from packages; arguments are jest's.
set -euo pipefail
cd "$(dirname "$0")/.."
# The same project name twice on one engine would be one project.
export P2PRC_PROOF_PROJECT=p2prcproof$$

proof=
finish() { # takes away what a proof leaves that was cut short
  local code=$? label=label=com.docker.compose.project=$P2PRC_PROOF_PROJECT
  trap - EXIT
  if [ -n "$proof" ]; then
    kill -TERM -- "-$proof" 2>/dev/null || true
    wait "$proof" 2>/dev/null || true
  fi
  docker ps --all --quiet --filter "$label" | xargs -r docker rm --force --volumes >/dev/null || true
  docker network ls --quiet --filter "$label" | xargs -r docker network rm >/dev/null || true
  docker volume ls --quiet --filter "$label" | xargs -r docker volume rm >/dev/null || true
  docker image ls --quiet --filter "reference=$P2PRC_PROOF_PROJECT*" | xargs -r docker image rm --force >/dev/null || true
  exit "$code"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

eval "$(bash scripts/make-compose-bases.sh)"
# As scripts/with-docker-engine.sh runs its command, and why.
run=(npm run --silent test:e2e -- test/e2e/compose "$@")
if [ -t 0 ]; then
  "${run[@]}"
else
  set -m
  "${run[@]}" &
  proof=$!
  set +m
  status=0
  wait "$proof" || status=$?
  proof=
  exit "$status"
fi
