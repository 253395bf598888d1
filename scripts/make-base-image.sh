#!/usr/bin/env bash
# Makes the image that containers of `p2prc devnet --runtime docker` run: Debian with an SSH server and Python, built from
# packages alone, since a machine may reach no registry of images. It has Redis as well, for
# scripts/make-compose-bases.sh: a second Debian would take CI another minute. Prints the path of the archive for `docker import`.
# It stays under .cache/docker, named by this script's text: made anew when the recipe changes, else a matter of milliseconds.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/again.sh
recipe=$(sha256sum <scripts/make-base-image.sh | cut -c -12)
archive=$PWD/.cache/docker/base-image-$recipe.tar
if [ ! -s "$archive" ]; then
  command -v debootstrap >/dev/null || { echo "debootstrap is missing: run scripts/install-e2e.sh docker" >&2; exit 1; }
  mkdir -p "$(dirname "$archive")"
  sudo=()
  [ "$(id -u)" = 0 ] || sudo=(sudo)
  root=$(mktemp -d)
  trap '"${sudo[@]}" rm -rf "$root" "$archive.part"' EXIT
  log=$(dirname "$archive")/debootstrap.log
  # sudo is for the containers of older versions, whose user is no root.
  bootstrap() { # in a folder that is empty again
    "${sudo[@]}" find "$root" -xdev -mindepth 1 -delete &&
      "${sudo[@]}" debootstrap --variant=minbase --include=openssh-server,python3,sudo,redis-server bookworm "$root" \
        "${DEBIAN_MIRROR:-http://deb.debian.org/debian}" >"$log" 2>&1
  }
  again bootstrap || { tail -20 "$log" >&2; exit 1; }
  # Each container makes a host key of its own: a shared one would hide that a client talks to another container.
  "${sudo[@]}" rm -rf "$root"/etc/ssh/ssh_host_* "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* \
    "$root"/usr/share/doc/* "$root"/usr/share/man/* "$root"/usr/share/locale/* "$root"/dev/*
  "${sudo[@]}" tar -C "$root" --numeric-owner -cf - . >"$archive.part"
  mv "$archive.part" "$archive"
fi
echo "$archive"
