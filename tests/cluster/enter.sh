#!/bin/sh
# Notes its number, enters control groups, and becomes a command: enter.sh FOLDER GROUP… -- COMMAND…
set -eu
echo $$ >"$1/pid"
shift
while [ "$1" != -- ]; do
  echo $$ >"$1/cgroup.procs"
  shift
done
shift
exec "$@"
