{ builder, zstd }:
rec {
  /**
    What the builders need to know to write a layer.

    # Type
    ```
    describe :: { name, contents, compression } -> AttrSet
    ```

    # Arguments
    - name: in the plan
    - contents: what the layer holds, for people
    - compression: `zstd` or `gzip`
  */
  describe =
    {
      name,
      contents,
      compression,
    }:
    {
      inherit name contents compression zstd;
    };

  /**
    A layer from the `root` folders of derivations; where two have the same file, the later one wins.

    # Type
    ```
    ofTrees :: { sources, layer } -> Derivation
    ```

    # Arguments
    - sources: derivations with a folder `root`
    - layer: as `describe` returns it
  */
  ofTrees =
    { sources, layer }: builder "tree_layer" "layer-${layer.name}" { inherit sources layer; };

  /**
    A layer of store paths and all that they refer to.

    # Type
    ```
    ofClosure :: { paths, layer } -> Derivation
    ```

    # Arguments
    - paths: store paths or derivations
    - layer: as `describe` returns it
  */
  ofClosure =
    { paths, layer }:
    builder "closure_layer" "layer-${layer.name}" {
      inherit layer;
      exportReferencesGraph.closure = paths;
    };
}
