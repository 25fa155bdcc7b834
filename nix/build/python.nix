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
    Wheels, each unpacked below its name at its place in the image, with its bytecode.

    # Type
    ```
    wheels :: Compiler -> String -> { file, wheel } -> Derivation
    ```

    # Arguments
    - compiler: `{ tree, loader, triplet, python }`, the interpreter that compiles bytecode
    - name: of the derivation. Nix builds what is ready in the order of the names, and everything waits for these: they
      come before the layers
    - files: by the distribution's name, the wheel and the name of its file; for an sdist the derivation that built it
  */
  wheels =
    compiler:
    let
      installer = library compiler;
    in
    name: files:
    compilerBuilder compiler "distributions" name {
      inherit installer;
      inherit (compiler) python;
      wheels = files;
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
