/**
  The derivations of one build platform.

  # Arguments
  - lib: the library of pure functions
  - system: the platform that builds
  - tools: `{ builderPython, installer }`, the locked tools that run inside the sandbox
*/
{
  lib,
  system,
  tools,
}:
let
  scope = {
    artifact = import ./artifact.nix {
      inherit system;
      inherit (lib) storeName;
    };
    inherit
      (import ./builder.nix {
        inherit system;
        inherit (lib.platform.of system) loader;
        python = tools.builderPython;
        busybox = "${tools.seed.folder}/bin/busybox";
      })
      builder
      compilerBuilder
      ;
    debian = import ./debian.nix {
      inherit (scope) artifact builder;
      seed = tools.seed.folder;
    };
    layer = import ./layer.nix {
      inherit (scope) builder;
      zstd = "${tools.builderPython}/usr/bin/zstd";
    };
    python = import ./python.nix {
      inherit (scope) artifact builder compilerBuilder;
      installer = scope.artifact tools.installer;
    };
    check = import ./check.nix { inherit (scope) builder; };
    django = import ./django.nix { inherit (scope) builder; };
    frontend = import ./frontend.nix { inherit (scope) artifact builder debian; };
    host = import ./host.nix {
      inherit (scope) builder;
      python = tools.builderPython;
      shell = tools.seed.folder;
    };
    image = import ./image.nix { inherit (scope) builder; };
    release = import ./release.nix { inherit (scope) builder; };
  };
in
scope
