# shellcheck shell=bash
# The service is the nearest folder with a lock, so that a shell entered below it is the same one.
folder=$PWD
while [ -n "$folder" ] && [ ! -e "$folder/estiba.lock" ]; do folder=${folder%/*}; done
unset PYTHONPATH
if [ -n "$folder" ]; then
  # Its sources as they lie there, and not as the store has them.
  case $ESTIBA_MANAGE in
    */*) export PYTHONPATH="$folder/${ESTIBA_MANAGE%/*}" ;;
    *) export PYTHONPATH="$folder" ;;
  esac
  # Where `invoke services` answers, whether it runs yet or not; an address that is set already stays.
  sockets=$folder/.estiba/services
  for prefix in PG POSTGRES_ DB_; do
    export "${prefix}HOST=$sockets" "${prefix}PORT=5432" "${prefix}USER=app" "${prefix}PASSWORD="
  done
  export PGDATABASE=app POSTGRES_DB=app DB_NAME=app
  sockets=${sockets//%/%25} sockets=${sockets// /%20} sockets=${sockets//#/%23}
  sockets=${sockets//&/%26} sockets=${sockets//+/%2B} sockets=${sockets//\?/%3F}
  export DATABASE_URL="${DATABASE_URL:-postgresql://app@/app?host=$sockets}"
  export REDIS_URL="${REDIS_URL:-unix://$sockets/redis.sock?db=0}"
fi
unset folder sockets prefix
