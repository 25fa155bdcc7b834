/**
  The service's checks, and the root with real servers that they and a host run from.

  # Type
  ```
  { lib, service, lock, src, system, scope, compiler, devEnv, environment, catalogues, prepared, static } ->
    { tree :: Derivation, groups :: [String], results :: Derivation }
  ```

  # Arguments
  - lib: the library of pure functions
  - service: its settings
  - lock: its lock
  - src: its folder
  - system: the platform that builds
  - scope: that platform's derivations
  - compiler: the interpreter that compiles bytecode, see `build/python.nix`
  - devEnv: the Python environment with what tests need
  - environment: the variables that the checks see
  - catalogues: its compiled message catalogues, or null
  - prepared: what the service's own commands have made, or null
  - static: its collected static files, or null
*/
{
  lib,
  service,
  lock,
  src,
  system,
  scope,
  compiler,
  devEnv,
  environment,
  catalogues,
  prepared,
  static,
}:
let
  groups = [
    "base"
    "check"
    "service"
  ];
  tree = scope.debian.tree {
    name = "check-root";
    debs = lib.lock.debs lock system groups;
    bytecode = compiler.tree;
  };
in
{
  inherit groups tree;

  results = scope.check.results {
    inherit
      catalogues
      environment
      prepared
      static
      tree
      ;
    inherit (service) manage;
    env = devEnv;
    source = lib.source.checked {
      inherit src;
      inherit (service) include;
    };
    test = service.test-command;
    level = service.check-level;
    override = service.env;
  };
}
