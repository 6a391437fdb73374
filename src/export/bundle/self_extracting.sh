#!/bin/sh
# @title@: one file, made by Hearth @version@ for @target@.
# The first start unpacks the program into the user's cache and checks it;
# later starts only run what lies there.
set -eu

fail() {
  printf 'error: %s\nhint: %s\n' "$1" "$2" >&2
  exit 1
}

self=$0
[ -f "$self" ] || self=$(command -v -- "$0") || self=
[ -f "$self" ] || fail "Cannot find the program's own file" \
  "start it by its path, such as ./hearth"

# Tools by their usual places: PATH may be empty, and stays what it was, as
# this is only called in subshells.
find_tools() { PATH=/usr/bin:/bin:/usr/local/bin:${PATH:-}; }

# Prints where to unpack to: what the user chose, the usual place, or, where
# that cannot be written, a directory of the user's own among temporary files.
find_cache() {
  find_tools
  if [ -n "${HEARTH_CACHE:-}" ]; then
    cache=$HEARTH_CACHE
    mkdir -p "$cache" 2>/dev/null || fail "Cannot make $cache" \
      "set HEARTH_CACHE to a directory that can be written"
  else
    if [ -n "${XDG_CACHE_HOME:-}" ]; then
      cache=$XDG_CACHE_HOME/hearth
    elif [ -n "${HOME:-}" ] && [ -d "$HOME" ]; then
      case @target@ in
        *-apple-*) cache=$HOME/Library/Caches/hearth ;;
        *) cache=$HOME/.cache/hearth ;;
      esac
    else
      cache=
    fi
    if [ -z "$cache" ] || ! mkdir -p "$cache" 2>/dev/null ||
      ! { [ -w "$cache" ] || [ -d "$cache/@name@" ]; }; then
      cache=${TMPDIR:-/tmp}/hearth-$(id -u)
      # Nobody else's, who could put another program there.
      mkdir -m 700 "$cache" 2>/dev/null ||
        { [ -d "$cache" ] && [ ! -L "$cache" ] && [ -O "$cache" ]; } ||
        fail "Cannot find a place to unpack to: no $cache can be made" \
          "set HEARTH_CACHE to a directory of yours"
    fi
  fi
  printf '%s\n' "$cache"
}

# Whether nobody else has put it there, but for the system's administrator.
is_own() {
  [ -O "$1" ] || (
    find_tools
    set -f
    # shellcheck disable=SC2046
    set -- $(ls -ldLn -- "$1")
    [ "${3:-}" = 0 ]
  )
}

# Whether all files are there: who tidies up may have taken some.
is_complete() {
  set -- "$program"/*
  [ -x "$program/@runtime@" ] && [ $# -ge @count@ ]
}

unpack() {
  find_tools
  [ ! -t 2 ] || printf 'unpacking, for the first start only\n' >&2
  umask 022
  part=$(mktemp -d "$cache/unpacking.XXXXXX") || fail "Cannot write to $cache" \
    "set HEARTH_CACHE to a directory that can be written"
  trap 'rm -rf "$part"' EXIT
  trap 'exit 130' INT
  trap 'exit 143' HUP TERM
  # Beside the program, so that all of it is gone with $part. A name of its
  # own, as mv moves into a directory that is there already.
  name=${part##*.}
  files=$part/$name
  mkdir "$files" || fail "Cannot write to $cache" "free some space"
  # What is wrong stays in memory: the disk may be full.
  problem=$({
    { tail -c +@offset@ "$self" | head -c @length@ | gzip -dc ||
      : >"$part/damaged"; } | tar -xof - -C "$files"
  } 2>&1) || case $problem in
    *gzip:*) : >"$part/damaged" ;;
    *) fail \
      "Cannot unpack $self: $(printf '%s\n' "$problem" | sed -n '/./{p;q;}')" \
      "see that the disk of $cache has 200 MB free, or set HEARTH_CACHE" ;;
  esac
  [ ! -e "$part/damaged" ] || fail "Cannot use $self: it is damaged" \
    "copy or download it again"
  # Whoever unpacks is its owner, and nobody else writes to it.
  chmod -R go-w "$files"
  "$files/@runtime@" --version >/dev/null 2>&1 || fail \
    "Cannot run what is in $self: it is for @target@" \
    "see that nothing forbids programs in $cache, or set HEARTH_CACHE"
  ! [ -e "$program" ] || is_complete || rm -rf "$program"
  # Whoever comes second finds the first one's, which is the same.
  mv "$files" "$program" 2>/dev/null || is_complete ||
    fail "Cannot write $program" "remove it, or set HEARTH_CACHE"
  rm -rf "$program/$name"
}

case @target@ in
  *-linux-*)
    # Deno would end in a panic.
    [ -e /proc/self/exe ] || fail "Cannot start: there is no /proc" \
      "mount it first: mount -t proc proc /proc"
    ;;
esac
cache=$(find_cache)
# Named by its content, so another version never gets in the way.
program=$cache/@name@
is_complete || (unpack)
{ is_own "$program" && is_own "$program/@runtime@"; } ||
  fail "Cannot use $program: it belongs to another user" \
    "set HEARTH_CACHE to a directory of yours"
@model@
exec "$program/@runtime@" @arguments@ "$@"
# The shell never reads on from here.
