#!/usr/bin/env bash
# Everything that can be judged without running the product. Stops at the first failure and names it.
set -euo pipefail
cd "$(dirname "$0")/.."
step() {
  local name=$1 start=$SECONDS
  shift
  if ! "$@"; then
    echo "check: $name FAILED"
    exit 1
  fi
  echo "check: $name ok ($((SECONDS - start)) s)"
}
generated_is_fresh() {
  local fresh
  fresh=$(mktemp -d)
  npx buf generate -o "$fresh" && diff -r src/gen "$fresh/src/gen" || { rm -rf "$fresh"; echo "run: npm run generate"; return 1; }
  rm -rf "$fresh"
}
breaking() {
  # The contract may grow, not break, from the first release on.
  local release
  release=$(git describe --tags --abbrev=0 --match 'v*' 2>/dev/null || true)
  if [ -z "$release" ]; then
    echo "no release yet: nothing to compare with"
  else
    npx buf breaking proto --against ".git#tag=$release,subdir=proto"
  fi
}
step "generated code is fresh" generated_is_fresh
step "buf lint" npx buf lint
step "buf format" npx buf format proto -d --exit-code
step "buf breaking" breaking
step "tsc" npx tsc --noEmit
step "ESLint" npx eslint --max-warnings 0 src test bench
step "Biome format" npx biome format .
step "borders" npx depcruise --config .dependency-cruiser.cjs src
