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
      packages = eachSystem (system: {
        default = (estiba.programsFor system).buildTools;
        python = (estiba.toolsFor system).builderPython;
        server = (estiba.programsFor system).server;
        tools-build = (estiba.programsFor system).kept "tools-build" (estiba.programsFor system).forBuild;
        tools-default = (estiba.programsFor system).kept "tools-default" (estiba.programsFor system).all;
      });
      templates.default = {
        path = ./nix/template;
        description = "What a Django project needs to be built by Estiba";
        welcomeText = "Next: invoke lock && invoke build";
      };
      devShells = eachSystem (system: {
        default = (estiba.shellsFor system).mkShell { packages = (estiba.programsFor system).all; };
        build = (estiba.shellsFor system).mkShell { packages = (estiba.programsFor system).forBuild; };
      });
      checks = eachSystem (system: {
        library = import ./tests/nix/check.nix {
          inherit system;
          seed = (estiba.toolsFor system).seed.folder;
        };
      });
      formatter = eachSystem (system: (estiba.programsFor system).formatter);
    };
}
