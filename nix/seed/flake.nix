{
  description = "What nix develop asks nixpkgs for: an interactive bash";

  outputs =
    { self }:
    {
      legacyPackages = builtins.listToAttrs (
        map
          (system: {
            name = system;
            value.bashInteractive = (import ./seed.nix { inherit system; }).folder;
          })
          [
            "aarch64-linux"
            "x86_64-linux"
          ]
      );
    };
}
