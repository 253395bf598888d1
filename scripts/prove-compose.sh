#!/usr/bin/env bash
# Proves docker-compose.yml on the engine that DOCKER_HOST names: bash scripts/with-docker-engine.sh bash scripts/prove-compose.sh
# What is proven stands in test/e2e/compose.test.ts. Bases are made from packages; arguments are jest's.
set -euo pipefail
cd "$(dirname "$0")/.."
# The same project name twice on one engine would be one project.
export COMPOSE_PROJECT_NAME=p2prcproof$$

proof=
finish() { # takes away what a proof leaves that was cut short
  local code=$? label=label=com.docker.compose.project=$COMPOSE_PROJECT_NAME left
  trap - EXIT
  if [ -n "$proof" ]; then
    kill -TERM -- "-$proof" 2>/dev/null || true
    wait "$proof" 2>/dev/null || true
  fi
  left=$(docker ps --all --quiet --filter "$label")
  [ -z "$left" ] || docker rm --force $left >/dev/null || true
  left=$(docker network ls --quiet --filter "$label")
  [ -z "$left" ] || docker network rm $left >/dev/null || true
  left=$(docker volume ls --quiet --filter "$label")
  [ -z "$left" ] || docker volume rm $left >/dev/null || true
  left=$(docker image ls --quiet --filter "reference=$COMPOSE_PROJECT_NAME*")
  [ -z "$left" ] || docker image rm --force $left >/dev/null || true
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
