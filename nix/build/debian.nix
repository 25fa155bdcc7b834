{ artifact, builder }:
let
  paths = map artifact;
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
      inherit bytecode;
      debs = paths debs;
    };

  /**
    A layer straight from Debian packages.

    # Type
    ```
    layer :: { debs, base, layer } -> Derivation
    ```

    # Arguments
    - debs: records of a lock
    - base: whether it is the lowest layer
    - layer: the layer's description, see `layer.nix`
  */
  layer =
    {
      debs,
      base,
      layer,
    }:
    builder "debian_layer" "layer-${layer.name}" {
      inherit base layer;
      debs = paths debs;
    };

  /**
    A layer of bytecode for the standard library in some packages.

    # Type
    ```
    bytecodeLayer :: { debs, bytecode, layer } -> Derivation
    ```

    # Arguments
    - debs: records of a lock, see `lib.lock.libraryDebs`
    - bytecode: an `interpreter`
    - layer: the layer's description, see `layer.nix`
  */
  bytecodeLayer =
    {
      debs,
      bytecode,
      layer,
    }:
    builder "bytecode_layer" "layer-${layer.name}" {
      inherit bytecode layer;
      debs = paths debs;
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
