#!/bin/sh
# pin_nix.sh >nix.json pins the packages of Debian 13 that Nix runs from. It is time to run it again when Debian has replaced
# one of them: nixw then reads package lists before it fetches Nix, which takes seconds more.
set -eu
here=$(CDPATH='' cd -- "${0%/*}" && pwd -P)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
die() {
  printf 'pin_nix: %s\n' "$*" >&2
  exit 1
}
say() { printf 'pin_nix: %s\n' "$*" >&2; }
cache=$scratch
# Neither Nix nor patchelf loads anything of these, which others depend on.
unneeded='^(debianutils|gcc-14-base|libdb5.3t64|libsasl2-modules-db|openssl-provider-legacy|readline-common)='

# One record a line; what follows the name of a source package is its version.
render() {
  awk -v RS= -v FS='\n' -v platform="$1" '
    function field(key,   at) {
      for (at = 1; at <= NF; at++) if (index($at, key ": ") == 1) return substr($at, length(key) + 3)
      return ""
    }
    {
      name = field("Package")
      source = field("Source") == "" ? name : field("Source")
      sub(/ .*/, "", source)
      file = field("Version")
      gsub(/:/, "%3a", file)
      printf "{\"arch\":\"%s\",\"file\":\"%s\",\"name\":\"%s\",\"platforms\":[\"%s\"],\"sha256\":\"%s\",\"size\":%s,", \
        field("Architecture"), name "_" file "_" field("Architecture") ".deb", name, platform, field("SHA256"), field("Size")
      printf "\"source\":\"%s\",\"version\":\"%s\"}\n", source, field("Version")
    }
  '
}

for system in aarch64-linux x86_64-linux; do
  case $system in aarch64-linux) arch=arm64 ;; *) arch=amd64 ;; esac
  # shellcheck source=nix/bootstrap/apt.sh
  . "$here/apt.sh"
  open_apt trixie
  read_lists
  own_apt --simulate install nix-bin patchelf | sed -n 's/^Inst \([^ ]*\) (\([^ ]*\) .*/\1=\2/p' |
    grep -Ev "$unneeded" | xargs apt-cache -c "${conf:?}" show | render "$system" >>"$scratch/records"
done
printf '{\n"version": 1,\n"nix": [\n'
LC_ALL=C sort -t '"' -k 12,12 -k 4,4 "$scratch/records" | sed '$!s/$/,/'
printf ']\n}\n'
