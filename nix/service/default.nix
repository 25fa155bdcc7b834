/**
  The flake outputs of a service, on every platform that its lock has.

  # Arguments
  - lib: the library of pure functions
  - scopeFor: a build platform's derivations, see `build/default.nix`
  - programsFor: a build platform's programs, see `build/programs.nix`
  - developmentFor: `development` of a build platform's `build/shell.nix`
*/
{
  lib,
  scopeFor,
  programsFor,
  developmentFor,
}:
/**
  Make the outputs of a service's flake: `packages`, `checks`, `devShells`, and manage.py as what `nix run` runs.

  # Example
  ```nix
  outputs = { self, estiba }: estiba.lib.mkService { src = self; };
  ```

  # Type
  ```
  mkService :: { src :: Path | Flake, extraContents :: String -> [StorePath] } ->
    { packages, checks, devShells, apps }
  ```

  # Arguments
  - src: the service's folder; given as the flake itself, the image says of which commit it is
  - extraContents: a function from a platform to store paths (from nixpkgs too) that its image gets at the same paths,
    with all that they refer to
*/
{
  src,
  extraContents ? _platform: [ ],
}:
let
  service = lib.service.load src;
  lockFile = src + "/estiba.lock";
  lockText =
    if builtins.pathExists lockFile then
      builtins.readFile lockFile
    else
      throw "no estiba.lock beside pyproject.toml, or not known to git; run: invoke lock && git add estiba.lock";
  lock = lib.lock.parse lockText;
  whole = lib.source.complete {
    inherit src;
    inherit (service) exclude include;
  };
  commit = import ./commit.nix src;

  eachSystem = f: builtins.listToAttrs (
    map (name: {
      inherit name;
      value = f name;
    }) lock.platforms
  );

  on = eachSystem (system: import ./system.nix {
    inherit lib service lock system;
    src = whole;
    lockHash = builtins.hashString "sha256" lockText;
    inherit commit extraContents;
    scope = scopeFor system;
    inherit (programsFor system) gettext supervisor;
  });
  development = builtins.mapAttrs (system: built: developmentFor system built.development) on;
in
{
  packages = builtins.mapAttrs (
    system: built: built.packages // { inherit (development.${system}) services develop; }
  ) on;
  checks = builtins.mapAttrs (_: built: built.checks) on;
  devShells = builtins.mapAttrs (_: made: { default = made.shell; }) development;
  apps = builtins.mapAttrs (_: made: {
    default = {
      type = "app";
      program = "${made.manage}/bin/manage";
      meta.description = "manage.py of ${service.name}";
    };
  }) development;
}
