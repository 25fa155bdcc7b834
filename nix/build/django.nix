{ builder }:
{
  /**
    The service's own files with their bytecode, at their place in the image.

    # Type
    ```
    application :: { compiler, source } -> Derivation
    ```

    # Arguments
    - compiler: see `python.nix`
    - source: the filtered source, see `lib.source.application`
  */
  application =
    { compiler, source }:
    builder "application" "application" {
      inherit compiler;
      application = source;
    };

  /**
    The collected static files, at the service's STATIC_ROOT.

    # Type
    ```
    staticFiles :: { tree, env, application, environment } -> Derivation
    ```

    # Arguments
    - tree: the unpacked Debian root
    - env: the Python environment
    - application: as above
    - environment: the environment variables that the settings see
  */
  staticFiles =
    {
      tree,
      env,
      application,
      environment,
    }:
    builder "static_files" "static-files" {
      inherit tree application environment;
      frame = env;
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
        filter = path: kind: kind == "directory" && baseNameOf path != "__pycache__" || builtins.match ".*\\.py" path != null;
      };
    };
}
