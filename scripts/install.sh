#!/bin/sh
# Installs Hearth for this user: downloads the executable of the newest
# release, compares its SHA-256 with the release's list, and puts it into
# ~/.local/bin. Nothing is left behind if any of that fails.
#
#   HEARTH_BIN      another directory to put it into
#   HEARTH_VERSION  another release than the newest, such as 0.1.0
#   HEARTH_RELEASES where releases are, for mirrors
set -eu

main() {
  releases=${HEARTH_RELEASES:-https://github.com/@repository@/releases}
  if [ -n "${HEARTH_VERSION:-}" ]; then
    base=$releases/download/v$HEARTH_VERSION
  else
    base=$releases/latest/download
  fi
  bin=${HEARTH_BIN:-${HOME:?HOME is not set}/.local/bin}

  case $(uname -s)-$(uname -m) in
    Linux-x86_64) target=x86_64-unknown-linux-gnu ;;
    Linux-aarch64 | Linux-arm64) target=aarch64-unknown-linux-gnu ;;
    Darwin-x86_64) target=x86_64-apple-darwin ;;
    Darwin-arm64) target=aarch64-apple-darwin ;;
    *) fail "Cannot install on $(uname -s) $(uname -m): there is no release" \
      "build from sources: deno task compile" ;;
  esac

  mkdir -p "$bin" 2>/dev/null || true
  [ -w "$bin" ] ||
    fail "Cannot write to $bin" "set HEARTH_BIN to a directory of yours"
  part=$(mktemp -d "$bin/.hearth-install.XXXXXX")
  trap 'rm -rf "$part"' EXIT
  trap 'exit 130' INT
  trap 'exit 143' HUP TERM

  fetch "$base/SHA256SUMS" "$part/sums" ||
    fail "Cannot download $base/SHA256SUMS" \
      "check the network; HEARTH_RELEASES names a mirror"
  line=$(grep -- "-$target\$" "$part/sums" | head -n 1) || true
  [ -n "$line" ] ||
    fail "Cannot find an executable for $target in $base/SHA256SUMS" \
      "build from sources: deno task compile"
  sum=${line%% *}
  name=${line##* }
  case $name in
    */* | .*) fail "Cannot use the name \"$name\" in $base/SHA256SUMS" \
      "download it by hand" ;;
  esac

  printf 'downloading %s\n' "$name" >&2
  fetch "$base/$name" "$part/hearth" ||
    fail "Cannot download $base/$name" "try again"
  found=$(checksum "$part/hearth")
  [ "$found" = "$sum" ] ||
    fail "Cannot trust $name: its SHA-256 is $found, expected $sum" "try again"
  chmod 755 "$part/hearth"
  "$part/hearth" --version >"$part/version" ||
    fail "Cannot run $name on this system" "build from sources: deno task compile"
  mv -f "$part/hearth" "$bin/hearth"
  printf 'installed %s as %s\n' "$(cat "$part/version")" "$bin/hearth"

  case :${PATH:-}: in
    *":$bin:"*) printf 'Try it: hearth demo\n' ;;
    *)
      # shellcheck disable=SC2016
      printf 'Add it to your shell: export PATH="%s:$PATH"\n' "$bin"
      printf 'Try it: %s/hearth demo\n' "$bin"
      ;;
  esac
}

fail() {
  printf 'error: %s\nhint: %s\n' "$1" "$2" >&2
  exit 1
}

fetch() {
  if command -v curl >/dev/null; then
    curl --fail --silent --show-error --location --retry 3 --output "$2" "$1"
  elif command -v wget >/dev/null; then
    wget --quiet --tries=3 --output-document="$2" "$1"
  else
    fail "Cannot download: neither curl nor wget is there" "install curl"
  fi
}

checksum() {
  if command -v sha256sum >/dev/null; then
    sha256sum "$1" | cut -d ' ' -f 1
  elif command -v shasum >/dev/null; then
    shasum -a 256 "$1" | cut -d ' ' -f 1
  else
    fail "Cannot check the download: no sha256sum, no shasum" \
      "install coreutils"
  fi
}

# Called last, so that a download of this script that is cut short does nothing.
main
