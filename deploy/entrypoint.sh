#!/bin/sh
# Becomes one service, so that signals reach it: budget, gateway or worker. `madakv ...` runs the command line.
set -eu
app="${1:-}"
case "$app" in
  budget | gateway | worker)
    shift
    exec node "apps/$app/dist/main.js" "$@"
    ;;
  madakv)
    shift
    exec node apps/cli/bin/madakv.js "$@"
    ;;
  *)
    echo "usage: budget | gateway | worker | madakv COMMAND; got '$app'" >&2
    exit 2
    ;;
esac
