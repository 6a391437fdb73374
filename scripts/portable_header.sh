#!/bin/sh
# Hearth @version@, @target@: one file. The first start unpacks it into the
# user's cache and checks every byte; later starts only run what lies there.
set -eu

fail() {
  printf 'error: %s\nhint: %s\n' "$1" "$2" >&2
  exit 1
}

self=$0
[ -f "$self" ] || self=$(command -v -- "$0") || self=
[ -f "$self" ] || fail "Cannot find the program's own file" \
  "start it by its path, such as ./hearth"

if [ -n "${HEARTH_CACHE:-}" ]; then
  cache=$HEARTH_CACHE
elif [ -n "${XDG_CACHE_HOME:-}" ]; then
  cache=$XDG_CACHE_HOME/hearth
elif [ -n "${HOME:-}" ] && [ -d "$HOME" ]; then
  case @target@ in
    *-apple-*) cache=$HOME/Library/Caches/hearth ;;
    *) cache=$HOME/.cache/hearth ;;
  esac
else
  fail "Cannot find a place to unpack to: HOME is not set" \
    "set HEARTH_CACHE to a directory of yours"
fi
# Named by its content, so another version never gets in the way.
program=$cache/@version@-@digest@

unpack() {
  # Tools by their usual places: PATH may be empty, and stays what it was.
  PATH=/usr/bin:/bin:/usr/local/bin:${PATH:-}
  umask 022
  mkdir -p "$cache" 2>/dev/null || fail "Cannot make $cache" \
    "set HEARTH_CACHE to a directory that can be written"
  part=$(mktemp -d "$cache/unpacking.XXXXXX") || fail "Cannot write to $cache" \
    "set HEARTH_CACHE to a directory that can be written"
  trap 'rm -rf "$part"' EXIT
  trap 'exit 130' INT
  trap 'exit 143' HUP TERM
  {
    tail -c +@offset@ "$self" | gzip -dc | tar -xf - -C "$part"
  } 2>"$part/problem" || fail "Cannot unpack $self: $(head -n 1 "$part/problem")" \
    "see that the disk of $cache has 200 MB free; else download it again"
  "$part/deno" run --quiet --no-config --no-lock --cached-only \
    --allow-read="$part" "$part/verify.js" "$part" ||
    fail "Cannot use $self: it is damaged, or made for another system" \
      "download it again"
  rm -f "$part/problem"
  # Whoever comes second finds the first one's, which is the same.
  mv "$part" "$program" 2>/dev/null || [ -f "$program/mod.js" ] ||
    fail "Cannot write $program" "remove it, or set HEARTH_CACHE"
  # mv moves into a directory that is there already
  rm -rf "$program/${part##*/}"
}

[ -f "$program/mod.js" ] || (unpack)
exec "$program/deno" run --quiet --no-config --no-lock --cached-only \
  @permissions@ "$program/mod.js" "$@"
# The shell never reads on from here.
