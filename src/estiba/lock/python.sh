#!/bin/sh
# Runs the interpreter that lies beside this file with the C library it was unpacked with, under the name it was called.
here=$(readlink -f "$0")
exec "${here%/*}/ld.so" --argv0 "$0" --library-path "$(cat "${here%/*}/ld.path")" "$here.real" "$@"
