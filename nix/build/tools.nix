/**
  The programs that Estiba itself runs, from the root `estiba.lock` and `nix/seed/seed.json`.

  # Arguments
  - lib: the library of pure functions
  - system: the platform that builds
  - lock: the parsed root lock
*/
{
  lib,
  system,
  lock,
}:
let
  platform = lib.platform.of system;
  seed = import ../seed/seed.nix { inherit system; };
  artifact = import ./artifact.nix {
    inherit system;
    inherit (lib) storeName;
  };

  here = builtins.filter (record: builtins.elem system record.platforms);

  # What each program comes from, and what the programs depend on for work that they do not do here, or that only
  # maintainer scripts need. A file of its own, because nixw fetches by it.
  programs = builtins.fromJSON (builtins.readFile ../seed/programs.json);

  /**
    The records of some Debian packages of this platform and of all that they need to run.
  */
  closure =
    names:
    lib.closure.of {
      records = builtins.filter ({ name, ... }: !builtins.elem name programs.unneeded) (here lock.debs);
      from = names;
    };

  /**
    Python and the programs that every other builder is made with, running from their own folder.
  */
  builderPython = derivation {
    name = "estiba-builder-python";
    inherit system;
    builder = "${seed.folder}/bin/bash";
    args = [ ./builders/builder_python.sh ];
    seed = seed.folder;
    debs = map artifact (closure programs.builders);
    inherit (platform) triplet;
    loader = baseNameOf platform.loader;
  };
in
{
  inherit builderPython closure programs seed;

  /**
    The records of this platform's Python distributions.
  */
  distributions = here lock.distributions;

  /**
    The record of the wheel that installs wheels.
  */
  installer = builtins.head (builtins.filter ({ name, ... }: name == "installer") lock.distributions);
}
