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
  encoded = builtins.replaceStrings [ "%" "#" "?" " " ] [ "%25" "%23" "%3F" "%20" ] folder;
  inGit = builtins.pathExists (folder + "/.git");
  src = if inGit then builtins.fetchGit { url = "file://${encoded}"; } else /. + folder;
  outputs = (import ./. { flake = ../.; }).mkService { inherit src; };
  system = builtins.currentSystem;
in
outputs.packages.${system} // { checks = outputs.checks.${system}; }
