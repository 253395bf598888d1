#!/usr/bin/env bash
# Generates the Go client's code from our proto and compiles the client to .cache/e2e/bin/go-client.
# Needs `scripts/install-e2e.sh go` once; go.mod names the version of each plugin.
set -euo pipefail
cd "$(dirname "$0")/../../.."
dir=$PWD/.cache/e2e
export PATH="$dir/bin:$PATH" GOCACHE="$dir/go-build"
# A Go older than go.mod asks for fetches the right one by itself, from 1.21 on; earlier ones refuse.
export GOTOOLCHAIN=auto
npx buf generate --template test/e2e/go/buf.gen.yaml
go build -C test/e2e/go -o "$dir/bin/go-client" .
