{
  artifact,
  builder,
  compilerBuilder,
  installer,
}:
rec {
  /**
    The library that installs wheels, with its bytecode.

    # Type
    ```
    library :: Compiler -> Derivation
    ```

    # Arguments
    - compiler: `{ tree, loader, triplet, python }`, the interpreter that compiles bytecode
  */
  library = compiler: compilerBuilder compiler "library" "installer" { wheel = installer; };

  /**
    One wheel, unpacked at its place in the image, with its bytecode.

    # Type
    ```
    wheel :: Compiler -> { record, file } -> Derivation
    ```

    # Arguments
    - compiler: `{ tree, loader, triplet, python }`, the interpreter that compiles bytecode
    - record: the distribution in the lock
    - file: the wheel, by default the locked artifact; for an sdist the derivation that built it
  */
  wheel =
    compiler:
    let
      installer = library compiler;
    in
    {
      record,
      file ? artifact record,
    }:
    # Nix builds what is ready in the order of the names, and everything waits for these: they come before the layers.
    compilerBuilder compiler "distribution" "dist-${record.name}-${record.version}" {
      inherit installer;
      inherit (compiler) python;
      inherit (record) file;
      wheel = file;
    };

  /**
    A wheel built from an sdist, with its locked build requirements and a locked toolchain.

    # Type
    ```
    fromSdist :: { record, sdist, tree, runtime, frame, environment, foreign } -> Derivation
    ```

    # Arguments
    - record: the distribution in the lock
    - sdist: its file, or a folder of sources
    - tree: an unpacked root with the toolchain
    - runtime: the root that the wheel will run in
    - frame: the environment of the build requirements
    - environment: the build's environment variables
    - foreign: the platform it is for where that is not the one that builds, else an empty string
  */
  fromSdist =
    {
      record,
      sdist,
      tree,
      runtime,
      frame,
      environment,
      foreign,
    }:
    builder "sdist" "${record.name}-${record.version}-built" {
      inherit
        tree
        runtime
        frame
        environment
        foreign
        sdist
        ;
      inherit (record) file;
    };

  /**
    An environment of many unpacked wheels, by symbolic links.

    # Type
    ```
    env :: String -> [Derivation] -> Derivation
    ```

    # Arguments
    - name: of the derivation
    - sources: unpacked wheels and the environment's frame; the later one wins
  */
  env = name: sources: builder "env" name { inherit sources; };
}
