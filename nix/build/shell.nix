/**
  Development shells, for `nix develop`.

  # Arguments
  - system: the platform that builds
  - tools: see `tools.nix`
  - programs: see `programs.nix`
  - flake: the flake of Estiba itself
*/
{
  system,
  tools,
  programs,
  flake,
}:
rec {
  /**
    A development shell: Estiba's programs, before what the machine has on PATH.

    # Example
    ```nix
    mkShell { packages = [ env ]; variables.DJANGO_SETTINGS_MODULE = "config.settings"; }
    ```

    # Type
    ```
    mkShell :: { packages :: [Derivation], variables :: { String = String } } -> Derivation
    ```

    # Arguments
    - packages: folders whose `bin` comes first on PATH
    - variables: more environment variables
  */
  mkShell =
    {
      packages ? [ ],
      variables ? { },
    }:
    derivation (
      variables
      // {
        name = "estiba-shell";
        inherit system;
        # nix develop runs the builder in place of bash, and asks for one output.
        builder = "${tools.seed.folder}/bin/bash";
        args = [
          "-c"
          "echo \"$PATH\" >\"$out\""
        ];
        outputs = [ "out" ];
        PATH = builtins.concatStringsSep ":" (map (package: "${package}/bin") (packages ++ programs.all));
        PYTHONPATH = "${flake}/src";
        ESTIBA_FLAKE = "${flake}";
        # Root may write into the store, and Python would put its bytecode there; its own folder costs no one anything.
        # Nix makes two folders for temporary files for each shell and leaves them behind, with all that is in them.
        shellHook = ''
          unset PYTHONDONTWRITEBYTECODE
          export TMPDIR="''${NIX_BUILD_TOP%/*}"
          rmdir "$NIX_BUILD_TOP" "$TMPDIR/nix-develop-$$-"* 2>/dev/null
          unset NIX_BUILD_TOP TMP TEMP TEMPDIR
          export PYTHONPYCACHEPREFIX="''${XDG_CACHE_HOME:-''${HOME:-/tmp}/.cache}/estiba/pycache"
        '';
      }
    );

  /**
    A service's development shell: its own interpreter and locked distributions come first.

    # Type
    ```
    serviceShell :: { name, python, debs, sources, variables } -> Derivation
    ```

    # Arguments
    - name: of the service
    - python: its minor version, such as `3.13`
    - debs: records of its lock, closed under dependencies
    - sources: its unpacked wheels, see `python.wheel`
    - variables: more environment variables
  */
  serviceShell =
    {
      name,
      python,
      debs,
      sources,
      variables ? { },
    }:
    let
      tree = programs.relocated {
        name = "${name}-tree";
        inherit debs;
      };
      env = programs.venv {
        name = "${name}-env";
        python = "${tree}/usr/bin/python${python}";
        inherit sources;
      };
    in
    mkShell {
      packages = [ env ];
      inherit variables;
    };
}
