/**
  The library: what a flake gets as `estiba.lib`.

  # Arguments
  - toolsLock: path of this repository's own `estiba.lock`, the tools that build
*/
{
  toolsLock ? ../estiba.lock,
}:
let
  lib = import ./lib;
  tools = import ./build/tools.nix;
in
lib
