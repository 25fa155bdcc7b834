{ artifact, builder }:
let
  paths = map artifact;
in
{
  /**
    An unpacked root of Debian packages, for programs to run from during the build.

    # Type
    ```
    tree :: { name, debs, bytecode, compiler } -> Derivation
    ```

    # Arguments
    - name: of the derivation
    - debs: records of a lock
    - bytecode: of the standard library, or null
    - compiler: where the tree itself is to be the compiler: `{ loader, triplet, python }`, else null
  */
  tree =
    {
      name,
      debs,
      bytecode ? null,
      compiler ? null,
    }:
    builder "debian_tree" name {
      inherit bytecode compiler;
      debs = paths debs;
    };

  /**
    A layer straight from Debian packages.

    # Type
    ```
    layer :: { debs, base, bytecode, layer } -> Derivation
    ```

    # Arguments
    - debs: records of a lock
    - base: whether it is the lowest layer
    - bytecode: of the standard library, or null
    - layer: the layer's description, see `layer.nix`
  */
  layer =
    {
      debs,
      base,
      bytecode ? null,
      layer,
    }:
    builder "debian_layer" "layer-${layer.name}" {
      inherit base bytecode layer;
      debs = paths debs;
    };

  /**
    Bytecode of the standard library in some packages.

    # Type
    ```
    stdlibBytecode :: { compiler, debs } -> Derivation
    ```

    # Arguments
    - compiler: the interpreter, see `python.nix`
    - debs: the packages that hold the library
  */
  stdlibBytecode =
    { compiler, debs }:
    builder "stdlib_bytecode" "stdlib-bytecode" {
      inherit compiler;
      debs = paths debs;
    };
}
