/**
  The service's own files: its source, with its message catalogues compiled and what its own commands make of it, and
  its collected static files.

  # Type
  ```
  { lib, service, lock, src, system, scope, gettext, compiler, describe, env, environment, tree } ->
    { source :: Path, catalogues, prepared :: Derivation | null, application :: Derivation, static :: Derivation | null }
  ```

  # Arguments
  - lib: the library of pure functions
  - service: its settings
  - lock: its lock
  - src: its folder
  - system: the platform that builds
  - scope: that platform's derivations
  - gettext: its programs for message catalogues
  - compiler: the interpreter that compiles bytecode, see `build/python.nix`
  - describe: a layer's description from its name and contents
  - env: the Python environment
  - environment: the variables that its settings see
  - tree: the image's Debian root
*/
{
  lib,
  service,
  lock,
  src,
  system,
  scope,
  gettext,
  compiler,
  describe,
  env,
  environment,
  tree,
}:
let
  inherit (scope) debian django;

  source = lib.source.application {
    inherit src;
    inherit (service) exclude include;
  };

  frontend = import ./frontend.nix {
    inherit lib service lock src system scope source;
  };

  # By themselves, since most changes of a service are not of its messages; null where all are compiled already.
  messages = lib.source.catalogues source;
  catalogues =
    if messages == [ ] then
      null
    else
      django.catalogues {
        inherit gettext;
        source = lib.source.only "messages" messages src;
      };

  # Null where the service has neither a front end nor commands of its own to run: then nothing comes before its
  # application.
  prepared =
    if service.prepare == [ ] then
      frontend
    else
      django.prepared {
        inherit catalogues compiler;
        source = if frontend == null then source else frontend;
        inherit (service) manage;
        commands = service.prepare;
        tree = prepareTree;
        frame = env;
        environment = environment // {
          PYTHONDONTWRITEBYTECODE = "1";
          SOURCE_DATE_EPOCH = "315532800";
        };
      };

  prepareDebs = lib.lock.prepareDebs lock system service.debian-build;
  prepareTree =
    if prepareDebs == [ ] then
      tree
    else
      debian.tree {
        name = "prepare-root";
        debs = prepareDebs;
        bytecode = compiler.tree;
      };

  application = django.application {
    inherit compiler;
    source = if prepared == null then source else prepared;
    # What its commands have worked on has them already.
    catalogues = if service.prepare == [ ] then catalogues else null;
    layer = describe "application" [ "${service.name} ${service.version}" ];
    static =
      if service.static then
        {
          inherit tree environment;
          inherit (service) persist;
          frame = env;
          layer = describe "static" [ "collected static files" ];
        }
      else
        null;
  };
in
{
  inherit
    application
    catalogues
    prepared
    source
    ;
  static = if service.static then application.static else null;
}
