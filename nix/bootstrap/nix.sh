# shellcheck shell=sh
# A private Nix, sourced by nixw: Debian 13's, unpacked beside its own C library, so that it runs on any machine.
: "${cache:?}" "${private_nix:?}" "${scratch:?}" "${shell:?}" "${triplet:?}"

# Bring Nix, and at the same time fetch the tools where all of them are missing and no binary cache may have them.
bring_nix_and_tools() {
  find_mirror
  ahead='' failed=$scratch/failed
  if [ "$shell" != none ] && is_new && ! has_cache; then
    (
      # One reason is told, not two at once: this one, unless Nix itself cannot be brought.
      # shellcheck disable=SC2317 # what fetches calls it
      die() {
        printf 'nixw: %s\n' "$*" >"$failed"
        exit 1
      }
      fetch_ahead
    ) &
    ahead=$!
    # What is left to do is of no use without Nix, and would miss its folder.
    trap 'kill "$ahead" 2>/dev/null && wait "$ahead" || true; rm -rf "$scratch"' EXIT
  fi
  bring_nix
  [ -n "$ahead" ] || return 0
  wait "$ahead" || {
    cat "$failed" >&2 2>/dev/null
    exit 1
  }
}

bring_nix() {
  say 'fetching Nix from Debian 13 (once)'
  open_apt trixie
  fetch_nix
  for deb in "$downloads"/*.deb; do dpkg-deb -x "$deb" "$scratch/root"; done

  made=$scratch/nix
  libraries=$scratch/root/usr/lib/$triplet
  loader=$(cd "$libraries" && echo ld-linux-*)
  mkdir -p "$made/lib" "$made/etc"
  mv "$scratch/root/usr/bin" "$made/bin"
  "$libraries/$loader" --library-path "$libraries" "$made/bin/patchelf" --set-interpreter "$private_nix/lib/$loader" \
    --force-rpath --set-rpath "$private_nix/lib" "$made/bin/nix"
  mv "$libraries"/*.so* "$made/lib"
  mv "$made/bin/bash-static" "$made/etc/sh"
  find "$made/bin" ! -name 'nix*' ! -type d -exec rm -f {} +
  write_nix_conf >"$made/etc/nix.conf"
  mv "$made" "$private_nix"
  close_apt
}

# Fetch the packages of nix.json, what nix-bin and patchelf run with; once Debian has replaced one of them by a newer one,
# what apt resolves. pin_nix.sh writes the file anew.
fetch_nix() {
  downloads=${apt:?}/cache/archives
  records nix "$shell" >"$scratch/nix-debs"
  (cd "$downloads" && fetch_from_pool <"$scratch/nix-debs")
  pending "$scratch/nix-debs" >"$scratch/gone-debs"
  if [ -s "$scratch/gone-debs" ]; then
    rm -f "$downloads"/*.deb
    read_lists
    quietly 'fetching Nix' own_apt --download-only -y install nix-bin patchelf
  fi
}

# First what the machine's own configuration may change, then that, then what must be so.
write_nix_conf() {
  printf '%s = %s\n' substituters '' flake-registry "$cache/registry.json" max-jobs auto build-users-group '' warn-dirty false
  printf '!include /etc/nix/nix.conf\n'
  printf '%s = %s\n' extra-experimental-features 'nix-command flakes' sandbox true sandbox-fallback false \
    sandbox-paths "/bin/sh=$private_nix/etc/sh"
}
