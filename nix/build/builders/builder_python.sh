#!/bin/bash
# The first derivation: unpacks the Debian packages in $debs with busybox alone and makes their programs run from $out.
set -eu -o pipefail
: "${seed:?}" "${out:?}" "${debs:?}" "${triplet:?}" "${TMPDIR:?}"
export PATH=$seed/bin LC_ALL=C PYTHONHASHSEED=0
busybox mkdir -p "$out"
for deb in $debs; do
  busybox ar p "$deb" data.tar.xz | busybox xz -d | busybox tar -x -C "$out" -f -
done
cd "$out"
busybox rm -rf var usr/share/doc usr/share/man usr/share/locale usr/share/lintian usr/share/bug

# Debian 12 ships some files outside /usr, for links that base-files makes there (merged /usr).
for folder in bin sbin lib lib64; do
  if [ -d "$folder" ]; then
    busybox mkdir -p "usr/$folder"
    busybox cp -a "$folder/." "usr/$folder/"
    busybox rm -r "$folder"
  fi
done

# glibc looks for these in an installed system alone.
busybox rm -rf "usr/lib/$triplet/gconv"

# The machine's certificates are not in the sandbox; this bundle is the one that Debian's ca-certificates would write.
busybox mkdir -p etc/ssl/certs
busybox cat usr/share/ca-certificates/mozilla/*.crt >etc/ssl/certs/ca-certificates.crt

libraries=$out/usr/lib/$triplet
loader=$libraries/$loader
# The loader's other place is an absolute link.
busybox find usr/lib64 usr/lib -maxdepth 1 -name 'ld-linux-*' -exec busybox ln -sf "$loader" {} \;
for program in usr/bin/*; do
  if [ -L "$program" ] || [ "$(busybox head -c 4 "$program" | busybox xxd -p)" != 7f454c46 ]; then continue; fi
  busybox cp "$program" "$TMPDIR/program"
  "$loader" --library-path "$libraries" usr/bin/patchelf --set-interpreter "$loader" --force-rpath \
    --set-rpath "$libraries" "$TMPDIR/program"
  busybox cat "$TMPDIR/program" >"$program"
done

# A link to /etc: outside of the sandbox the machine's own file would run.
busybox rm -f usr/lib/python3.11/sitecustomize.py
busybox find usr/lib -name __pycache__ -prune -exec busybox rm -r {} +
# Bytecode depends on what its process compiled before: two of them, each always with the same files.
library=$out/usr/lib/python3.11
compile() { usr/bin/python3.11 -I -S -B -m compileall -q -j 1 --invalidation-mode unchecked-hash "$@"; }
compile -l "$library" &
compile "$library"/*/
wait $!
