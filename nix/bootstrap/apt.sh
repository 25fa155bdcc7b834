# shellcheck shell=sh
# An apt of our own, sourced by nixw: the machine's mirrors, proxies and credentials, but own lists and package status.
: "${cache:?}" "${arch:?}" "${scratch:?}"

# What only maintainer scripts and documentation need is presented to apt as already installed, for no script runs.
installed='adduser binutils bzip2 coreutils curl debconf dirmngr dpkg gnupg gpg gpg-agent init-system-helpers
  libdbd-sqlite3-perl libwww-curl-perl mawk passwd perl perl-base python3 tar util-linux xz-utils'

# Run a command silently; when it fails, stop with what it was for and its own errors.
quietly() {
  purpose=$1
  shift
  "$@" >"$scratch/log" 2>&1 || {
    reason=$(grep -E '^(E:|Err:|ERROR:|WARNING:|error:)' "$scratch/log" | sort -u | head -n 3) || reason=$(tail -n 5 "$scratch/log")
    die "$purpose failed:
$reason"
  }
}

# Set `mirror` and `keyring` to a Debian archive and what verifies it.
find_mirror() {
  [ -z "${mirror:-}" ] || return 0
  mirror=$(read_targets | find_debian)
  # Before the first apt-get update, which minimal machines never saw, apt knows its sources but not their origin.
  [ -n "$mirror" ] || mirror=$(read_targets --no-release-info | find_debian)
  [ -n "$mirror" ] || find_mirror_in_debootstrap
  [ -n "${keyring:-}" ] || for keyring in /usr/share/keyrings/debian-archive-keyring.gpg \
    /usr/share/keyrings/debian-archive-keyring.pgp "$cache/debian/usr/share/keyrings/debian-archive-keyring.gpg"; do
    [ ! -e "$keyring" ] || break
  done
}

# Print the mirror among sources, one of Debian's own origin rather than a vendor's.
find_debian() {
  grep -E '^(bullseye|bookworm|trixie|forky|duke|sid|(old)?stable|testing) main ' |
    sort -t ' ' -k 3,3r -s | sed -n '1s/.* //p'
}

# The sources of the machine's apt, one a line: suite, component, origin (where known), URI.
read_targets() {
  [ -z "${ESTIBA_APT_SOURCES:-}" ] ||
    set -- "$@" -o "Dir::Etc::SourceList=$ESTIBA_APT_SOURCES" -o Dir::Etc::SourceParts=/dev/null
  # shellcheck disable=SC2016 # these are apt's variables, not the shell's
  apt-get indextargets "$@" --format '$(RELEASE) $(COMPONENT) $(ORIGIN) $(REPO_URI)' 'Created-By: Packages' |
    sed 's/ \$(ORIGIN) / - /' || die 'apt cannot read its sources; try: apt-get update'
}

# Ubuntu: its own archive has the keys of Debian, and debootstrap, which knows a mirror.
find_mirror_in_debootstrap() {
  say "this machine's apt has no Debian mirror, taking the one that debootstrap knows"
  make_apt machine
  quietly 'reading package lists' own_apt update
  (cd "$scratch" && quietly 'fetching the keys of Debian' own_apt download debian-archive-keyring debootstrap)
  mkdir -p "$cache/debian"
  for deb in "$scratch"/*.deb; do dpkg-deb -x "$deb" "$cache/debian"; done
  keyring=$cache/debian/usr/share/keyrings/debian-archive-keyring.gpg
  mirror=$(sed -n 's/^DEF_MIRROR="\(.*\)"$/\1/p' "$cache/debian/usr/sbin/debootstrap")
  if [ -z "$mirror" ] || [ ! -e "$keyring" ]; then
    die 'apt knows no Debian mirror: name a file with one in ESTIBA_APT_SOURCES (as in /etc/apt/sources.list)'
  fi
  close_apt
  write_source trixie >"$scratch/debian.sources"
  mv "$scratch/debian.sources" "$cache/debian.sources"
}

write_source() {
  printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\nTargets: Packages\nSigned-By: %s\n' \
    "$mirror" "$1" "$keyring"
}

# Make the folder of an apt of our own with the machine's sources and set `apt` and `conf` to it and its configuration.
make_apt() {
  apt=$cache/apt-nixw/$1-$arch
  conf=$apt/apt.conf
  mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
  for package in $installed; do
    printf 'Package: %s\nStatus: install ok installed\nArchitecture: %s\nMulti-Arch: allowed\nVersion: 99:1\n' \
      "$package" "$arch"
    printf 'Maintainer: none\nDescription: not needed\n\n'
  done >"$apt/status"
  {
    printf '#clear %s;\n' APT::Architectures APT::Update DPkg
    printf '%s "%s";\n' Dir::State "$apt" Dir::State::lists "$apt/lists" Dir::State::status "$apt/status" \
      Dir::Cache "$apt/cache" Dir::Cache::archives "$apt/cache/archives" APT::Architecture "$arch" \
      APT::Architectures:: "$arch" APT::Install-Recommends false APT::Sandbox::User root \
      APT::Update::Error-Mode any Acquire::Languages none Acquire::GzipIndexes false Debug::NoLocking true
  } >"$conf"
}

# The same with the main archive of one Debian release as its only source; its lists are not read yet.
open_apt() {
  suite=$1
  find_mirror
  make_apt "$suite"
  write_source "$suite" >"$apt/debian.sources"
  printf '%s "%s";\n' Dir::Etc::sourcelist "$apt/debian.sources" Dir::Etc::sourceparts /dev/null \
    Dir::Etc::preferences /dev/null Dir::Etc::preferencesparts /dev/null >>"$conf"
}

read_lists() { quietly "reading the package lists of Debian $suite" own_apt update; }

# Fetch packages of records on standard input into this folder from where Debian's pool has them, as the hash alone tells
# whether they are right: reading the lists takes many times as long. What is not there any more is left out.
fetch_from_pool() {
  # apt-helper only links to the files of a mirror on this machine.
  case $mirror in http://* | https://*) ;; *) return 0 ;; esac
  awk -v pool="${mirror%/}/pool/main" '{
    file = $4
    sub(/_[0-9]+%3a/, "_", file)
    print pool "/" substr($5, 1, $5 ~ /^lib/ ? 4 : 1) "/" $5 "/" file, $4, "SHA256:" $3
  }' | xargs /usr/lib/apt/apt-helper -c "$conf" -qq download-file >"$scratch/log" 2>&1 || true
}

own_apt() { apt-get -c "$conf" "$@"; }

close_apt() { rm -rf "$apt"; }
