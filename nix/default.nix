/**
  The library: what a flake gets as `estiba.lib`, and what the repository's own flake is wired from.

  # Arguments
  - flake: the flake of this repository itself
*/
{ flake }:
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

  programsFor =
    system:
    import ./build/programs.nix {
      inherit lib system;
      tools = toolsFor system;
      scope = scopeFor system;
    };

  shellsFor =
    system:
    import ./build/shell.nix {
      inherit flake system;
      tools = toolsFor system;
      programs = programsFor system;
      scope = scopeFor system;
    };
in
{
  inherit
    lib
    programsFor
    scopeFor
    shellsFor
    toolsFor
    ;

  mkService = import ./service {
    inherit lib scopeFor;
    inherit programsFor;
    developmentFor = system: (shellsFor system).development;
  };
}
