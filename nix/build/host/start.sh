#!@shell@ sh
# Python wants to know its script by an absolute path, which the processes' user need not be able to reach.
exec "@python@" -sSEB "@program@" "$0" "$@" 2>&1
