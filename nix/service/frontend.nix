/**
  The service's files with its front end built, or null where it has none.

  # Type
  ```
  { lib, service, lock, src, system, scope, source } -> Derivation | null
  ```

  # Arguments
  - lib: the library of pure functions
  - service: its settings
  - lock: its lock
  - src: its folder
  - system: the platform that builds
  - scope: that platform's derivations
  - source: the files of the service in the image
*/
{
  lib,
  service,
  lock,
  src,
  system,
  scope,
  source,
}:
let
  inherit (service.frontend) folder script output;

  top = src + "/${folder}";
  text =
    if builtins.pathExists (top + "/package-lock.json") then
      builtins.readFile (top + "/package-lock.json")
    else
      throw "no ${folder}/package-lock.json, or not known to git; run: git add ${folder}/package-lock.json";
  settings =
    if builtins.pathExists (top + "/.npmrc") then
      lib.frontend.settings (builtins.readFile (top + "/.npmrc"))
    else
      [ ];

  debs = lib.lock.debs lock system [ "frontend" ];
  tree =
    if debs == [ ] then
      throw "estiba.lock lacks npm for [tool.estiba.frontend]; run: invoke lock"
    else
      scope.frontend.tree debs;
in
if service.frontend == null then
  null
else
  scope.frontend.built {
    inherit
      tree
      folder
      script
      output
      settings
      ;
    modules = scope.frontend.modules {
      inherit tree folder settings;
      files = lib.source.only "package-files" (lib.frontend.packageFiles folder text) src;
      tarballs = lib.frontend.tarballs system text;
    };
    # What the image leaves out, such as the sources of the front end, its build needs still.
    source = lib.source.application {
      inherit src;
      inherit (service) include;
      exclude = [ ];
    };
    application = source;
    environment = service.env;
  }
