/**
  The outputs of a service's folder that has no flake of its own, for the platform of this machine.

  # Type
  ```
  { folder :: String } -> AttrSet
  ```

  # Arguments
  - folder: absolute path of the service
*/
{ folder }:
let
  inGit = builtins.pathExists (folder + "/.git");
  src = if inGit then builtins.fetchGit { url = folder; } else /. + folder;
  outputs = (import ./. { flake = ../.; }).mkService { inherit src; };
  system = builtins.currentSystem;
in
outputs.packages.${system} // { checks = outputs.checks.${system}; }
