{
  description = "Reproducible builds and safe releases for Django services";

  outputs =
    { self }:
    let
      estiba = import ./nix { flake = self; };
      eachSystem =
        f:
        builtins.listToAttrs (
          map (name: {
            inherit name;
            value = f name;
          }) estiba.lib.platform.names
        );
    in
    {
      lib = { inherit (estiba) mkService; };
      devShells = eachSystem (system: {
        default = (estiba.shellsFor system).mkShell { };
      });
      formatter = eachSystem (system: (estiba.programsFor system).formatter);
    };
}
