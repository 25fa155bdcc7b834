{
  artifact,
  builder,
  seed,
}:
let
  paths = map artifact;

  # What maintainer scripts run with, see `builders/packages/maintainer.py`.
  maintainer = {
    inherit seed;
    standIns = ./maintainer;
  };
in
{
  /**
    An unpacked root of Debian packages, for programs to run from during the build.

    # Type
    ```
    tree :: { name, debs, bytecode } -> Derivation
    ```

    # Arguments
    - name: of the derivation
    - debs: records of a lock
    - bytecode: an `interpreter` whose bytecode to add, or null
  */
  tree =
    {
      name,
      debs,
      bytecode ? null,
    }:
    builder "debian_tree" name {
      inherit bytecode maintainer;
      debs = paths debs;
    };

  /**
    The Debian packages of an image. Each layer is an output with its name; `sources` lists Python's sources in them, for
    `bytecodeLayer`; `tree` is an unpacked root of them all, for programs to run from during the build.

    # Type
    ```
    root :: { layers, tree, missingLibraries } -> Derivation
    ```

    # Arguments
    - layers: `{ debs, base, layer }` by name: records of a lock, whether it is the lowest layer, and the layer's
      description, see `layer.nix`
    - tree: whether to unpack them too
    - missingLibraries: names of packages that may lack shared libraries
  */
  root =
    {
      layers,
      tree,
      missingLibraries,
    }:
    builder "debian_root" "debian" {
      inherit maintainer missingLibraries;
      layers = builtins.mapAttrs (_: one: one // { debs = paths one.debs; }) layers;
      outputs = builtins.attrNames layers ++ [ "sources" ] ++ (if tree then [ "tree" ] else [ ]);
    };

  /**
    A layer of bytecode for the standard library.

    # Type
    ```
    bytecodeLayer :: { sources, bytecode, layer } -> Derivation
    ```

    # Arguments
    - sources: of a `root`
    - bytecode: an `interpreter`
    - layer: the layer's description, see `layer.nix`
  */
  bytecodeLayer =
    {
      sources,
      bytecode,
      layer,
    }:
    builder "bytecode_layer" "layer-${layer.name}" {
      inherit sources bytecode layer;
    };

  /**
    The locked Python alone, with its standard library compiled and an index of the bytecode.

    # Type
    ```
    interpreter :: { interpreter, debs } -> Derivation
    ```

    # Arguments
    - interpreter: `{ loader, triplet, python }`
    - debs: records of a lock, see `lib.lock.compilerDebs`
  */
  interpreter =
    { interpreter, debs }:
    builder "interpreter" "python-${interpreter.python}" {
      inherit interpreter;
      debs = paths debs;
    };
}
