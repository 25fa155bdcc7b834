/**
  What one machine runs of the service, without containers.

  # Type
  ```
  { lib, service, processes, config, lock, lockDigest, revision, system, scope, compiler, supervisor, frame, env, tree,
    checks, application, static } -> Derivation
  ```

  # Arguments
  - lib: the library of pure functions
  - service: its settings
  - processes: see `lib.processes.plan`
  - config: its image's configuration
  - lock: its lock
  - lockDigest: digest of the lock file
  - revision: the commit, or an empty string
  - system: the platform that builds
  - scope: that platform's derivations
  - compiler: the interpreter that compiles bytecode, see `build/python.nix`
  - supervisor: the programs that keep others running
  - frame: the entry point and the frame of the Python environment
  - env: the Python environment
  - tree: the image's Debian root
  - checks: see `checks.nix`; its root has the servers
  - application: the service's own files
  - static: its collected static files, or null
*/
{
  lib,
  service,
  processes,
  config,
  lock,
  lockDigest,
  revision,
  system,
  scope,
  compiler,
  supervisor,
  frame,
  env,
  tree,
  checks,
  application,
  static,
}:
let
  servers = {
    nginx = "nginx";
    postgresql = named "postgresql-[0-9]+";
    redis = "redis-server";
  };
  checked = lib.lock.debs lock system [ "check" ];
  named =
    pattern:
    let
      found = builtins.filter ({ name, ... }: builtins.match pattern name != null) checked;
    in
    if found == [ ] then pattern else (builtins.head found).name;
  versionOf =
    name:
    let
      found = builtins.filter (deb: deb.name == name) checked;
    in
    if found == [ ] then
      throw "estiba.lock has no ${name}, which a release for one machine needs; run: invoke lock --upgrade-debian"
    else
      (builtins.head found).version;
in
scope.host.release {
  inherit
    application
    compiler
    config
    env
    frame
    processes
    revision
    service
    static
    supervisor
    tree
    ;
  lock = lockDigest;
  servers = checks.tree;
  versions = builtins.mapAttrs (_: versionOf) servers;
  digests = builtins.mapAttrs (_: lib.lock.programDigest lock system checks.groups) servers;
}
