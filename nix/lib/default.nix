/**
  The library: pure functions on data. `lib.<name>` is the file `<name>.nix` beside this one.
*/
let
  lib = {
    closure = import ./closure.nix;
    frontend = import ./frontend.nix { inherit (lib) platform; };
    layers = import ./layers.nix;
    lock = import ./lock.nix { inherit (lib) closure; };
    platform = import ./platform.nix;
    processes = import ./processes.nix;
    service = import ./service.nix { inherit (lib) platform; };
    source = import ./source.nix;
    storeName = import ./store-name.nix;
  };
in
lib
