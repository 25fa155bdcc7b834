/**
  The library: what a flake gets as `estiba.lib`, and what the repository's own flake is wired from.
*/
let
  lib = import ./lib;

  toolsLock = lib.lock.parse (builtins.readFile ../estiba.lock);
  toolsFor =
    system:
    import ./build/tools.nix {
      inherit lib system;
      lock = toolsLock;
    };

  scopeFor =
    system:
    import ./build {
      inherit lib system;
      tools = toolsFor system;
    };
in
{
  inherit lib toolsFor scopeFor;

  mkService = import ./service.nix {
    inherit lib scopeFor;
    shellFor = system: env: env;
  };
}
