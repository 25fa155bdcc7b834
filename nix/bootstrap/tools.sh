# shellcheck shell=sh
# The seed and this repository's locked tools, sourced by nixw: brought into the store by apt and pip.
: "${root:?}" "${cache:?}" "${scratch:?}" "${shell:?}" "${system:?}" "${triplet:?}"

# Print the records of a section of a lock file that one part of the programs needs on this machine: name, version,
# SHA-256, file and source package. The parts are those of nix/seed/programs.json, one a line there.
records() {
  awk -v section="\"$1\":" -v part="$2" -v platform="\"$system\"" '
    function field(key) {
      if (!match($0, "\"" key "\":\"[^\"]*\"")) return "-"
      return substr($0, RSTART + length(key) + 4, RLENGTH - length(key) - 5)
    }
    # The words of a list in JSON, with blanks between them.
    function list(key,   text) {
      if (!match($0, "\"" key "\": ?\\[[^]]*\\]")) return ""
      text = substr($0, RSTART + length(key) + 3, RLENGTH - length(key) - 3)
      gsub(/[][", ]+/, " ", text)
      return text
    }
    # The rule of closure.of in nix/lib/closure.nix.
    function reach(names,   each, count, at) {
      count = split(names, each, " ")
      for (at = 1; at <= count; at++) {
        if (each[at] in reached || each[at] in unneeded || !(each[at] in found)) continue
        reached[each[at]]
        print found[each[at]]
        reach(depends[each[at]])
      }
    }
    FILENAME ~ /programs\.json$/ {
      key = substr($1, 2, length($1) - 3)
      if (key == "unneeded") {
        split(list(key), given, " ")
        for (at in given) unneeded[given[at]]
      } else if (key == part || part == "default" || part == "build" && key != "default") roots = roots " " list(key)
      next
    }
    /^"/ { inside = ($1 == section) }
    !inside || !/^\{/ || !index($0, platform) { next }
    { record = field("name") " " field("version") " " field("sha256") " " field("file") " " field("source") }
    section == "\"debs\":" && /"depends":/ {
      found[field("name")] = record
      depends[field("name")] = list("depends")
      next
    }
    section == "\"distributions\":" && part != "default" && !/"runtime"/ && field("name") != "installer" { next }
    { print record }
    END { reach(roots) }
  ' "$root/nix/seed/programs.json" "$root/estiba.lock" "$root/nix/seed/seed.json" "$root/nix/bootstrap/nix.json"
}

# From records on standard input print those whose file is not in the store; note the path of each.
missing() {
  nix eval --raw --read-only --file "$root/nix/bootstrap/paths.nix" --argstr records "$(cat)" text >"$scratch/records"
  cut -d ' ' -f 1 "$scratch/records" | tee -a "$scratch/paths" |
    xargs nix-store --check-validity --print-invalid >"$scratch/invalid" || true
  grep -F -f "$scratch/invalid" "$scratch/records" | cut -d ' ' -f 2- || true
}

# Take the tools as they were built somewhere else, where the machine or the user names a binary cache that has them. One
# that is slow or away is given up soon: apt and pip can do without.
substitute() {
  has_cache || return 1
  say 'asking the binary cache for the locked tools (once)'
  built=$(nix build "$root#packages.$system.tools-$shell" --no-link --print-out-paths --max-jobs 0 --option fallback false \
    --option connect-timeout 5 --option stalled-download-timeout 10 --option download-attempts 1 2>"$scratch/log") || {
    say 'the binary cache does not have them'
    return 1
  }
  { echo "$built" && nix-store --query --references "$built"; } >"$scratch/paths"
}

bring_tools() {
  if substitute; then
    write_tools
    return
  fi
  : >"$scratch/paths"
  downloads=$cache/downloads-nixw
  mkdir -p "$downloads"
  records debs "$shell" >"$scratch/debs"
  missing <"$scratch/debs" >"$scratch/missing-debs"
  records distributions "$shell" | missing >"$scratch/missing-wheels"
  seed=$(nix-store --print-fixed-path --recursive sha256 "$(records folders "$shell" | cut -d ' ' -f 3)" estiba-seed)
  echo "$seed" >>"$scratch/paths"
  if ! nix-store --check-validity "$seed" 2>/dev/null; then
    cat "$scratch/missing-debs" >"$scratch/more"
    grep -E '^(bash|busybox)-static ' "$scratch/debs" >>"$scratch/more"
    sort -u "$scratch/more" >"$scratch/missing-debs"
  fi
  # The locked Python runs pip before it can be built in the store.
  if [ -s "$scratch/missing-wheels" ]; then
    records debs pip >>"$scratch/missing-debs"
    sort -u "$scratch/missing-debs" >"$scratch/more"
    mv "$scratch/more" "$scratch/missing-debs"
  fi

  fetch
  nix-store --check-validity "$seed" 2>/dev/null || add_seed
  add_files
  write_tools
}

# Fetch what a new store will lack, while something else brings Nix, which alone could tell what the store has.
fetch_ahead() {
  downloads=$cache/downloads-nixw
  scratch=$scratch/ahead
  mkdir -p "$downloads" "$scratch"
  records debs "$shell" >"$scratch/debs"
  cp "$scratch/debs" "$scratch/missing-debs"
  records distributions "$shell" >"$scratch/missing-wheels"
  fetch
}

# Fetch what is missing. pip comes from a package too, so packages are first.
fetch() {
  pending "$scratch/missing-debs" >"$scratch/wanted-debs"
  pending "$scratch/missing-wheels" >"$scratch/wanted-wheels"
  fetch_debs
  fetch_wheels
}

fetch_debs() {
  [ -s "$scratch/wanted-debs" ] || return 0
  say "fetching $(wc -l <"$scratch/wanted-debs") packages of the locked tools from Debian 12 (once)"
  open_apt bookworm
  (cd "$downloads" && fetch_from_pool <"$scratch/wanted-debs")
  pending "$scratch/wanted-debs" >"$scratch/gone-debs"
  if [ -s "$scratch/gone-debs" ]; then
    read_lists
    wanted=$(sed 's/^\([^ ]*\) \([^ ]*\) .*/\1=\2/' "$scratch/gone-debs")
    # shellcheck disable=SC2086 # one word a package
    (cd "$downloads" && quietly 'fetching locked packages' own_apt download $wanted)
  fi
  verify "$scratch/wanted-debs"
  close_apt
}

# Every file is named by the lock, so pip has nothing to resolve: its own classes find and fetch them, as in invoke fetch.
fetch_wheels() {
  [ -s "$scratch/wanted-wheels" ] || return 0
  say "fetching $(wc -l <"$scratch/wanted-wheels") Python distributions of the locked tools (once)"
  bring_pip
  trust
  mkdir -p "$downloads/wheels"
  awk -v cache="$downloads/wheels" '
    BEGIN { printf "{\"action\":\"fetch\",\"cache\":\"%s\",\"files\":[", cache }
    { printf "%s{\"name\":\"%s\",\"file\":\"%s\",\"sha256\":\"%s\"}", separator, $1, $4, $3; separator = "," }
    END { print "]}" }
  ' "$scratch/wanted-wheels" >"$scratch/request"
  drive_pip <"$scratch/request" >"$scratch/answers" 2>"$scratch/log" ||
    die "fetching Python distributions failed:
$(tail -n 5 "$scratch/log")"
  failed=$(grep -o '"file": "[^"]*", "sha256": "[^"]*", "error": "[^"]*"' "$scratch/answers" |
    sed 's/"file": "\([^"]*\)".*"error": "\(.*\)"/\1: \2/') || true
  [ -z "$failed" ] || die "fetching Python distributions failed:
$failed"
  while read -r _ _ sha256 file _; do mv "$downloads/wheels/$sha256" "$downloads/$file"; done <"$scratch/wanted-wheels"
  verify "$scratch/wanted-wheels"
}

# Unpack a pip of our own, Debian 12's, which runs from its unpacked packages.
bring_pip() {
  records debs pip >"$scratch/pip-debs"
  while read -r _ _ _ file _; do dpkg-deb -x "$downloads/$file" "$scratch/python"; done <"$scratch/pip-debs"
  libraries=$scratch/python/lib/$triplet:$scratch/python/usr/lib/$triplet
  loader=$(echo "$scratch/python/lib/$triplet"/ld-linux-*)
  # From an archive each start would compile it.
  own_python -m zipfile -e "$scratch"/python/usr/share/python-wheels/pip-*.whl "$scratch/pip"
}

own_python() {
  PYTHONPATH=$scratch/pip "$loader" --library-path "$libraries" "$scratch/python/usr/bin/python3.11" -sP "$@"
}

drive_pip() { PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 own_python "$root/src/estiba/lock/python/pip_driver.py"; }

# A machine without certificates gets Debian's, where pip's configuration does not name others.
trust() {
  [ ! -e /etc/ssl/certs/ca-certificates.crt ] || return 0
  own_python -m pip config get global.cert >"$scratch/log" 2>&1 || export PIP_CERT="${PIP_CERT:-${SSL_CERT_FILE:-$cache/ca-certificates.crt}}"
  cat "$scratch/python/usr/share/ca-certificates/mozilla/"*.crt >"$scratch/certificates"
  mv "$scratch/certificates" "$cache/ca-certificates.crt"
}

# Print the records whose file is not among the downloads, as an earlier, interrupted run may have left it.
pending() {
  awk -v folder="$downloads" '{ print $3 "  " folder "/" $4 }' "$1" | LC_ALL=C sha256sum -c 2>/dev/null |
    sed -n 's/: OK$//p' >"$scratch/arrived"
  awk -v folder="$downloads" '
    FILENAME ~ /\/arrived$/ { arrived[$0]; next }
    !(folder "/" $4 in arrived)
  ' "$scratch/arrived" "$1"
}

# Check that each record's file was fetched and is the locked one.
verify() {
  pending "$1" >"$scratch/wrong"
  read -r name version _ file _ <"$scratch/wrong" || return 0
  [ -e "$downloads/$file" ] || die "$name $version was fetched, but not under its locked name $file"
  die "$file has not the locked SHA-256; remove it from $downloads and run again, or ask where it comes from"
}

add_seed() {
  made=$scratch/estiba-seed
  mkdir -p "$made/bin"
  grep -E '^(bash|busybox)-static ' "$scratch/debs" | while read -r _ _ _ file _; do
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
  # The rule of src/estiba/nix/store_path.py.
  awk '{ named = $4; gsub(/[^0-9A-Za-z+._?=-]/, "_", named); print $4, named }' "$scratch/added" >"$scratch/named"
  while read -r file named; do
    mv "$downloads/$file" "$scratch/$named"
    set -- "$@" "$scratch/$named"
  done <"$scratch/named"
  [ $# -eq 0 ] || nix-store --add-fixed sha256 "$@" >/dev/null
}

# Keep everything from being collected, and note what it is; the note comes last, for it says that all is there.
write_tools() {
  mkdir -p "${tools:?}"
  registry=$(nix-store --add "$root/nix/seed")
  echo "$registry" >>"$scratch/paths"
  printf '{"version":2,"flakes":[{"exact":true,"from":{"id":"nixpkgs","type":"indirect"},"to":{"path":"%s","type":"path"}}]}\n' \
    "$registry" >"$tools/registry.json"
  # The private Nix has it configured, for shells inside the shell.
  cp "$tools/registry.json" "$scratch/registry.json"
  mv "$scratch/registry.json" "$cache/registry.json"
  sort -u "$scratch/paths" >"$tools/paths.new"
  xargs nix-store --realise --add-root "$tools/root" <"$tools/paths.new" >/dev/null
  rm -rf "$cache/downloads-nixw"
  mv "$tools/paths.new" "$tools/paths"
  # What other versions needed may be collected once it is old; theirs is checked and brought again too.
  find "$cache" -maxdepth 1 -name 'tools-*' ! -path "$tools" -mtime +30 -exec rm -rf {} +
}
