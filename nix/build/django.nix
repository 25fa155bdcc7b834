{ builder }:
{
  /**
    The service's message catalogues, compiled, with what is beside them.

    # Type
    ```
    catalogues :: { gettext :: Derivation, source :: Path } -> Derivation
    ```

    # Arguments
    - gettext: see `programs.nix`
    - source: the folders that they are in, see `lib.source.catalogues`
  */
  catalogues = { gettext, source }: builder "catalogues" "catalogues" { inherit gettext source; };

  /**
    The service's files with its message catalogues, to be run from where they are.

    # Type
    ```
    merged :: { source :: Path, catalogues :: Derivation } -> Derivation
    ```

    # Arguments
    - source: the filtered source, see `lib.source.application`
    - catalogues: see above
  */
  merged = { source, catalogues }: builder "merged" "source" { inherit source catalogues; };

  /**
    The service's files with what its own commands have made of them and beside them.

    # Type
    ```
    prepared :: { compiler, source, catalogues, manage, commands, tree, frame, environment } -> Derivation
    ```

    # Arguments
    - compiler: see `python.nix`
    - source: the filtered source, see `lib.source.application`
    - catalogues: its message catalogues, or null
    - manage: path of manage.py in it
    - commands: lists of words, each for manage.py or beginning with a script of the service
    - tree: the unpacked Debian root to run them in
    - frame: the Python environment
    - environment: the variables that they see
  */
  prepared =
    {
      compiler,
      source,
      catalogues,
      manage,
      commands,
      tree,
      frame,
      environment,
    }:
    builder "prepare" "prepared" {
      inherit
        compiler
        source
        catalogues
        manage
        commands
        tree
        frame
        environment
        ;
    };

  /**
    The service's own files with their bytecode, at their place in the image, and its collected static files.

    Outputs are `out` and its `layer`; with static files also `static`, which has them at the service's STATIC_ROOT, and
    `static_layer`.

    # Type
    ```
    application :: { compiler, source, catalogues, layer, static } -> Derivation
    ```

    # Arguments
    - compiler: see `python.nix`
    - source: the filtered source, see `lib.source.application`
    - catalogues: message catalogues to add to it, or null
    - layer: the layer's description, see `layer.nix`
    - static: null, or what `collectstatic` runs in and with: `tree` (the unpacked Debian root), `frame` (the Python
      environment), `environment` (the variables that the settings see), `persist` (places of the service's data), and
      its layer's description `layer`
  */
  application =
    {
      compiler,
      source,
      catalogues,
      layer,
      static,
    }:
    builder "application" "application" {
      inherit
        catalogues
        compiler
        layer
        static
        ;
      application = source;
      outputs = [
        "out"
        "layer"
      ]
      ++ (
        if static == null then
          [ ]
        else
          [
            "static"
            "static_layer"
          ]
      );
    };

  /**
    What Estiba adds to every image: the entry point and the frame of the Python environment.

    # Type
    ```
    runtimeFiles :: Compiler -> Derivation
    ```

    # Arguments
    - compiler: see `python.nix`
  */
  runtimeFiles =
    compiler:
    builder "runtime_files" "runtime-files" {
      inherit compiler;
      entrypoint = builtins.path {
        path = ./runtime;
        name = "runtime";
        # Tools leave folders of their own beside sources.
        filter =
          path: kind:
          if kind == "directory" then
            builtins.match "__.*|\\..*" (baseNameOf path) == null
          else
            builtins.match ".*\\.py" path != null;
      };
    };
}
