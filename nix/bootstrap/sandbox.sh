# shellcheck shell=sh
# Whether this machine lets Nix make its sandbox, sourced by nixw: if not, one sentence says what to allow.

# What ESTIBA_SANDBOX asks for, a property of the runner: a container that nobody may configure builds without the sandbox.
choose_sandbox() {
  case ${ESTIBA_SANDBOX:-} in
    '') return 0 ;;
    container) ;;
    *) die "ESTIBA_SANDBOX is '$ESTIBA_SANDBOX', which is none of its values; set it to 'container', or not at all" ;;
  esac
  [ "$(id -u)" -eq 0 ] ||
    die "ESTIBA_SANDBOX=container needs the container's root user, who may call chroot(2): docker run --user 0 …"
  say 'ESTIBA_SANDBOX=container: builds run without the sandbox of Nix and are not hermetic'
  # Those of nixbld could not call chroot(2) either.
  settings='sandbox = false
build-users-group ='
  case ${NIX_CONFIG:-} in
    *"$settings"*) ;;
    *)
      export NIX_CONFIG="${NIX_CONFIG:-}
$settings"
      ;;
  esac
  # Builders look for it (nix/build/builders/build_root.py), and so does who asks whether a build was hermetic.
  # Whatever the umask is, the users that services run as must be able to reach the store.
  (umask 022 && mkdir -p /nix/var/nix)
  : >/nix/var/nix/estiba-unsandboxed
}

# Before anything is fetched and built; Nix itself would say it late, and without the remedy.
check_sandbox() {
  case ${NIX_CONFIG:-} in *'sandbox = false'*) ;; *) check_namespaces ;; esac
}

# The same calls that Nix makes: a user namespace (root can do without), mounts, processes, and a /proc of its own.
check_namespaces() {
  ! has_namespaces --user --map-root-user || return 0
  [ "$(id -u)" -ne 0 ] || ! has_namespaces || return 0
  if is_container; then
    die "this container lets nobody make the namespaces of Nix's sandbox: start it with
  docker run --security-opt seccomp=unconfined --security-opt systempaths=unconfined …
or, in Kubernetes, with 'procMount: Unmasked' and 'seccompProfile: {type: Unconfined}' in its securityContext;
where nobody may configure it, set ESTIBA_SANDBOX=container: the same image, built without the sandbox and so not hermetic"
  fi
  for setting in kernel.apparmor_restrict_unprivileged_userns=0 kernel.unprivileged_userns_clone=1; do
    file=/proc/sys/$(printf %s "${setting%=*}" | tr . /)
    [ ! -e "$file" ] || [ "$(cat "$file")" = "${setting#*=}" ] ||
      die "this system lets no ordinary user make the namespaces of Nix's sandbox; allow it: sudo sysctl -w $setting"
  done
  [ "$(cat /proc/sys/user/max_user_namespaces)" != 0 ] ||
    die "this system makes no user namespaces, which Nix's sandbox needs; allow them: sudo sysctl -w user.max_user_namespaces=10000"
  covers=$(awk '$5 ~ "^/proc/" { printf "%s ", $5 }' /proc/self/mountinfo)
  [ -z "$covers" ] ||
    die "Nix's sandbox needs a /proc of its own, which the kernel refuses while something covers parts of this one; unmount: $covers"
  die "the kernel refuses the namespaces of Nix's sandbox, as it does below chroot(2): enter this root by systemd-nspawn or bubblewrap instead"
}

has_namespaces() { unshare "$@" --mount --pid --fork mount -t proc proc /proc 2>/dev/null; }

is_container() {
  [ -e /.dockerenv ] || [ -e /run/.containerenv ] || [ -n "${KUBERNETES_SERVICE_HOST:-}" ] ||
    tr '\0' '\n' 2>/dev/null </proc/1/environ | grep -qE '^container=(docker|podman|oci|lxc)$'
}
