#!/bin/sh
# minimal_debian.sh ROOT SUITE PACKAGES… builds a minimal Debian in the folder ROOT: the essential packages, apt, certificates
# and those that are named, and nothing else, out of this machine's own mirrors. Packages are unpacked and not configured; what their scripts would have made
# and a newcomer's machine has is made below.
set -eu
made=$1 suite=$2
shift 2
here=$(CDPATH='' cd -- "${0%/*}/../.." && pwd -P)
arch=$(dpkg --print-architecture)
cache=$made/cache
scratch=$made/cache/scratch
root=$made/root
mkdir -p "$scratch" "$root"
die() {
  printf 'minimal Debian: %s\n' "$*" >&2
  exit 1
}
say() { :; }
# shellcheck source=nix/bootstrap/apt.sh
. "$here/nix/bootstrap/apt.sh"
# Unlike for a private Nix, nothing may be taken for installed.
installed=
open_apt "$suite"
read_lists
quietly 'fetching a minimal Debian' own_apt --download-only -y install '?essential' apt ca-certificates mount passwd "$@"

for folder in bin lib lib64 sbin; do
  mkdir -p "$root/usr/$folder"
  ln -s "usr/$folder" "$root/$folder"
done
for deb in "${apt:?}"/cache/archives/*.deb; do
  # base-files of Debian 13 has the same links.
  dpkg-deb --fsys-tarfile "$deb" | tar -x --keep-directory-symlink --overwrite -C "$root"
done
close_apt
for table in passwd group; do cp "$root/usr/share/base-passwd/$table.master" "$root/etc/$table"; done
echo 'ana:x:1000:1000::/home/ana:/bin/bash' >>"$root/etc/passwd"
echo 'ana:x:1000:' >>"$root/etc/group"
mkdir -p "$root/home/ana" "$root/var/lib/dpkg"
: >>"$root/var/lib/dpkg/status"
[ -e "$root/usr/bin/awk" ] || ln -s mawk "$root/usr/bin/awk"
# The way to the mirrors is the machine's: sources, proxies, names and certificates.
rm -rf "$root/etc/apt/sources.list.d"
write_source "$suite" >"$root/etc/apt/debian.sources"
mkdir -p "$root/etc/apt/sources.list.d"
mv "$root/etc/apt/debian.sources" "$root/etc/apt/sources.list.d/debian.sources"
for file in /etc/apt/apt.conf.d/*proxy* /etc/apt/auth.conf.d/* /etc/resolv.conf /etc/hosts /etc/pip.conf \
  /etc/ssl/certs/ca-certificates.crt; do
  [ ! -e "$file" ] || install -D -m 644 "$file" "$root$file"
done
rm -rf "$cache"
