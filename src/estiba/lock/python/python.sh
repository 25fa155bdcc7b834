#!/bin/sh
# Runs the interpreter that lies beside this file with the C library it was unpacked with, under the name it was called.
# Build backends are asked with a PATH on which nothing of this machine is.
here=$(PATH=/usr/bin:/bin readlink -f "$0")
exec "${here%/*}/ld.so" --argv0 "$0" --library-path "$(PATH=/usr/bin:/bin cat "${here%/*}/ld.path")" "$here.real" "$@"
