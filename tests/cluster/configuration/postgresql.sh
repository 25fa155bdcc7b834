#!/bin/sh
# Makes an empty PostgreSQL, which lets everybody in who reaches it, and becomes its server.
set -eu
bin=$(echo /usr/lib/postgresql/*/bin)
data=/var/lib/postgresql/data
"$bin/initdb" --pgdata="$data" --username=postgres --auth=trust --no-sync --locale=C.UTF-8
echo 'host all all 0.0.0.0/0 trust' >>"$data/pg_hba.conf"
exec "$bin/postgres" -D "$data" -c listen_addresses='*' -c unix_socket_directories=/var/lib/postgresql -c fsync=off
