# shellcheck shell=sh
# The seed and this repository's locked tools, sourced by nixw: brought into the store by apt and pip.
: "${root:?}" "${cache:?}" "${scratch:?}" "${tools:?}" "${system:?}" "${triplet:?}"

# Print the records of a section of a lock file that are for this machine: name, version, SHA-256 and file. Packages
# that only the checks or the building of a service would need are left out.
records() {
  awk -v section="\"$1\":" -v platform="\"$system\"" '
    function field(key) {
      if (!match($0, "\"" key "\":\"[^\"]*\"")) return "-"
      return substr($0, RSTART + length(key) + 4, RLENGTH - length(key) - 5)
    }
    /^"/ { inside = ($1 == section) }
    /"groups":\[/ && !/"(base|service|runtime|dev)"/ { next }
    inside && /^\{/ && index($0, platform) { print field("name"), field("version"), field("sha256"), field("file") }
  ' "$root/estiba.lock" "$root/nix/seed/seed.json"
}

# From records on standard input print those whose file is not in the store; note the path of each.
missing() {
  while read -r name version sha256 file; do
    path=$(nix-store --print-fixed-path sha256 "$sha256" "$(store_name "$file")")
    echo "$path $name $version $sha256 $file"
  done >"$scratch/records"
  cut -d ' ' -f 1 "$scratch/records" | tee -a "$scratch/paths" |
    xargs nix-store --check-validity --print-invalid >"$scratch/invalid" || true
  grep -F -f "$scratch/invalid" "$scratch/records" | cut -d ' ' -f 2- || true
}

# The rule of src/estiba/storepath.py.
store_name() { printf %s "$1" | sed 's/[^0-9A-Za-z+._?=-]/_/g'; }

bring_tools() {
  : >"$scratch/paths"
  downloads=$cache/downloads-nixw
  mkdir -p "$downloads"
  records debs >"$scratch/debs"
  missing <"$scratch/debs" >"$scratch/missing-debs"
  records distributions | missing >"$scratch/missing-wheels"
  seed=$(nix-store --print-fixed-path --recursive sha256 "$(records folders | cut -d ' ' -f 3)" estiba-seed)
  echo "$seed" >>"$scratch/paths"
  if ! nix-store --check-validity "$seed" 2>/dev/null; then
    cat "$scratch/missing-debs" >"$scratch/more"
    grep -E '^(bash|busybox)-static ' "$scratch/debs" >>"$scratch/more"
    sort -u "$scratch/more" >"$scratch/missing-debs"
  fi
  # Without pip, the locked Python runs one before it can be built in the store.
  if [ -s "$scratch/missing-wheels" ] && ! has_pip; then
    cp "$scratch/debs" "$scratch/missing-debs"
  fi

  [ ! -s "$scratch/missing-debs" ] || fetch_debs
  [ ! -s "$scratch/missing-wheels" ] || fetch_wheels
  nix-store --check-validity "$seed" 2>/dev/null || add_seed
  add_files
  write_tools
}

fetch_debs() {
  pending "$scratch/missing-debs" >"$scratch/wanted"
  [ -s "$scratch/wanted" ] || return 0
  say "fetching $(wc -l <"$scratch/wanted") packages of the locked tools from Debian 12 (once)"
  open_apt bookworm
  wanted=$(sed 's/^\([^ ]*\) \([^ ]*\) .*/\1=\2/' "$scratch/wanted")
  # shellcheck disable=SC2086 # one word a package
  (cd "$downloads" && quietly 'fetching locked packages' own_apt download $wanted)
  verify "$scratch/wanted"
  close_apt
}

fetch_wheels() {
  pending "$scratch/missing-wheels" >"$scratch/wanted"
  [ -s "$scratch/wanted" ] || return 0
  say "fetching $(wc -l <"$scratch/wanted") Python distributions of the locked tools (once)"
  sed 's/^\([^ ]*\) \([^ ]*\) \([^ ]*\) .*/\1==\2 --hash=sha256:\3/' "$scratch/wanted" >"$scratch/requirements"
  platforms=$(sed -n 's/.*-\([^-]*\)\.whl$/\1/p' "$scratch/wanted" | tr . '\n' | grep -v '^any$' | sort -u |
    sed 's/^/--platform /')
  trust
  # shellcheck disable=SC2086 # two words a platform
  quietly 'fetching Python distributions' pip download --quiet --no-input --disable-pip-version-check --no-deps \
    --require-hashes --only-binary :all: --implementation cp --python-version 3.11 $platforms --platform any \
    --dest "$downloads" --requirement "$scratch/requirements"
  verify "$scratch/wanted"
}

# Run the machine's pip, or one of ours: Debian 12's, which runs from its unpacked packages.
pip() {
  if has_pip; then
    PIP_REQUIRE_VIRTUALENV=0 python3 -m pip "$@"
    return
  fi
  [ -e "$scratch/python" ] ||
    while read -r _ _ _ file; do dpkg-deb -x "$downloads/$file" "$scratch/python"; done <"$scratch/debs"
  libraries=$scratch/python/lib/$triplet:$scratch/python/usr/lib/$triplet
  loader=$(echo "$scratch/python/lib/$triplet"/ld-linux-*)
  PYTHONPATH=$(echo "$scratch"/python/usr/share/python-wheels/pip-*.whl) PIP_REQUIRE_VIRTUALENV=0 \
    "$loader" --library-path "$libraries" \
    "$scratch/python/usr/bin/python3.11" -m pip "$@"
}

has_pip() { python3 -m pip --version >/dev/null 2>&1; }

# A machine without certificates gets Debian's, where pip's configuration does not name others.
trust() {
  ! has_pip && [ ! -e /etc/ssl/certs/ca-certificates.crt ] || return 0
  pip config get global.cert >"$scratch/log" 2>&1 || export PIP_CERT="${PIP_CERT:-${SSL_CERT_FILE:-$cache/ca-certificates.crt}}"
  cat "$scratch/python/usr/share/ca-certificates/mozilla/"*.crt >"$scratch/certificates"
  mv "$scratch/certificates" "$cache/ca-certificates.crt"
}

# Whether a file in the downloads has a hash.
has_hash() { [ -e "$downloads/$1" ] && echo "$2  $downloads/$1" | sha256sum -c --status; }

# Print the records whose file an earlier, interrupted run has not left among the downloads.
pending() {
  while read -r name version sha256 file; do
    has_hash "$file" "$sha256" || echo "$name $version $sha256 $file"
  done <"$1"
}

# Check that each record's file was fetched and is the locked one.
verify() {
  while read -r name version sha256 file; do
    [ -e "$downloads/$file" ] || die "$name $version was fetched, but not under its locked name $file"
    has_hash "$file" "$sha256" ||
      die "$file has not the locked SHA-256; remove it from $downloads and run again, or ask where it comes from"
  done <"$1"
}

add_seed() {
  made=$scratch/estiba-seed
  mkdir -p "$made/bin"
  grep -E '^(bash|busybox)-static ' "$scratch/debs" | while read -r _ _ _ file; do
    dpkg-deb -x "$downloads/$file" "$scratch/seed"
  done
  mv "$scratch/seed/bin/bash-static" "$made/bin/bash"
  mv "$scratch/seed/bin/busybox" "$made/bin/busybox"
  chmod 755 "$made/bin/"*
  [ "$(nix-store --add-fixed --recursive sha256 "$made")" = "$seed" ] ||
    die 'the seed has not the locked SHA-256; seed.json does not fit its own packages'
}

add_files() {
  sort -u "$scratch/missing-debs" "$scratch/missing-wheels" >"$scratch/added"
  set --
  while read -r _ _ _ file; do
    named=$scratch/$(store_name "$file")
    mv "$downloads/$file" "$named"
    set -- "$@" "$named"
  done <"$scratch/added"
  [ $# -eq 0 ] || nix-store --add-fixed sha256 "$@" >/dev/null
}

# Keep everything from being collected, and note what it is; the note comes last, for it says that all is there.
write_tools() {
  mkdir -p "$tools"
  registry=$(nix-store --add "$root/nix/seed")
  echo "$registry" >>"$scratch/paths"
  printf '{"version":2,"flakes":[{"exact":true,"from":{"id":"nixpkgs","type":"indirect"},"to":{"path":"%s","type":"path"}}]}\n' \
    "$registry" >"$tools/registry.json"
  # The private Nix has it configured, for shells inside the shell.
  cp "$tools/registry.json" "$scratch/registry.json"
  mv "$scratch/registry.json" "$cache/registry.json"
  sort -u "$scratch/paths" >"$tools/paths.new"
  xargs nix-store --realise --add-root "$tools/root" <"$tools/paths.new" >/dev/null
  rm -rf "$downloads"
  mv "$tools/paths.new" "$tools/paths"
  # What other versions needed may be collected once it is old; theirs is checked and brought again too.
  find "$cache" -maxdepth 1 -name 'tools-*' ! -path "$tools" -mtime +30 -exec rm -rf {} +
}
