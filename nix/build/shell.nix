/**
  Development shells, for `nix develop`.

  # Arguments
  - system: the platform that builds
  - tools: see `tools.nix`
  - programs: see `programs.nix`
  - scope: the platform's other derivations, see `default.nix`
  - flake: the flake of Estiba itself
*/
{
  system,
  tools,
  programs,
  scope,
  flake,
}:
let
  inherit (scope) builder;

  # Those of the builders that a program of the shell uses too.
  modules = builtins.path {
    path = ./builders;
    name = "shell-modules";
    filter =
      path: _:
      builtins.elem (baseNameOf path) [
        "checks"
        "root.py"
        "services.py"
      ];
  };

  # The tasks' own commands, where PYTHONPATH is not theirs.
  command =
    name: module:
    builder "script" name {
      python = "${programs.buildTools}/bin/python";
      script = ./shell/run_invoke.py;
      settings = {
        source = "${flake}/src";
        inherit module;
      };
    };
in
rec {
  /**
    A development shell: programs, before what the machine has on PATH.

    # Example
    ```nix
    mkShell { packages = [ env ] ++ programs.forBuild; variables.DJANGO_SETTINGS_MODULE = "config.settings"; }
    ```

    # Type
    ```
    mkShell :: { packages :: [Derivation], variables :: { String = String }, hook :: String } -> Derivation
    ```

    # Arguments
    - packages: folders whose `bin` comes first on PATH, see `forBuild` and `all` of `programs.nix`
    - variables: more environment variables
    - hook: shell commands to run on entering
  */
  mkShell =
    {
      packages,
      variables ? {
        PYTHONPATH = "${flake}/src";
      },
      hook ? "",
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
        PATH = builtins.concatStringsSep ":" (map (package: "${package}/bin") packages);
        ESTIBA_FLAKE = "path:${flake}";
        # Root may write into the store, and Python would put its bytecode there; its own folder costs no one anything.
        # Nix makes two folders for temporary files for each shell and leaves them behind, with all that is in them.
        shellHook = ''
          unset PYTHONDONTWRITEBYTECODE PYTHONHOME
          export TMPDIR="''${NIX_BUILD_TOP%/*}"
          rmdir "$NIX_BUILD_TOP" "$TMPDIR/nix-develop-$$-"* 2>/dev/null
          unset NIX_BUILD_TOP TMP TEMP TEMPDIR
          export PYTHONPYCACHEPREFIX="''${XDG_CACHE_HOME:-''${HOME:-/tmp}/.cache}/estiba/pycache"
        ''
        + hook;
      }
    );

  /**
    What the developers of a service use: `shell`, its development shell, where its own interpreter and locked
    distributions come first, and its sources are on Python's path as they lie in its folder; `manage`, its manage.py
    without a shell; `services`, its PostgreSQL and Redis; `develop`, all that a developer runs, in one log.

    # Type
    ```
    development :: { name, python, debs, sources, source, catalogues, gettext, manage, prepare, test-command, servers,
      variables } -> { shell, manage, services, develop }
    ```

    # Arguments
    - name: of the service
    - python: its minor version, such as `3.13`
    - debs: records of its lock, closed under dependencies
    - sources: its unpacked wheels, see `python.wheels`
    - source: its files
    - catalogues: its compiled message catalogues, or null
    - gettext: the programs that they are made with, or null
    - manage: path of manage.py in them
    - prepare: the commands that generate files of it, whose programs are among the packages
    - test-command: the command that runs the tests
    - servers: a Debian root with PostgreSQL and Redis
    - variables: environment variables of the shell and of manage.py
  */
  development =
    {
      name,
      python,
      debs,
      sources,
      source,
      catalogues,
      gettext,
      manage,
      prepare,
      test-command,
      servers,
      variables,
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
      # A minimal machine has no time zones of its own.
      all = {
        PYTHONTZPATH = "${tree}/usr/share/zoneinfo";
      }
      // variables;
      services = builder "script" "services" {
        python = "${tools.builderPython}/usr/bin/python3.11";
        script = ./shell/run_services.py;
        settings = {
          inherit modules;
          tree = servers;
        };
      };
    in
    {
      shell = mkShell {
        packages = [
          (command "invoke" "invoke.main")
          (command "estiba" "estiba.tasks.program")
          env
        ]
        ++ (if prepare == [ ] then [ ] else [ "${tree}/usr" ])
        ++ (if gettext == null then [ ] else [ gettext ])
        ++ programs.forBuild;
        variables = all // {
          ESTIBA_MANAGE = manage;
        };
        hook = builtins.readFile ./shell/service.sh;
      };
      manage = builder "script" "manage" {
        python = "${env}/bin/python";
        script = ./shell/run_manage.py;
        settings = {
          inherit manage source;
          variables = all;
        };
      };
      develop = builder "script" "develop" {
        python = "${tools.builderPython}/usr/bin/python3.11";
        script = ./shell/run_develop.py;
        settings = {
          inherit catalogues manage prepare;
          test = test-command;
          programs = "${env}/bin:${tree}/usr/bin";
          python = "${env}/bin/python";
          services = "${services}/bin/services";
          variables = all;
        };
      };
      inherit services;
    };
}
