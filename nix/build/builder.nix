{
  busybox,
  loader,
  python,
  system,
}:
let
  # A builder is one Python file and those beside it that it imports or runs, so that a change in one of them rebuilds
  # only what it makes.
  names = builtins.concatMap named (builtins.attrNames (builtins.readDir ./builders));
  named =
    file:
    let
      found = builtins.match "(.*)\\.py" file;
    in
    if found == null then [ ] else found;

  # By name, each worked out once: matching takes a quarter of an evaluation.
  each =
    f:
    builtins.listToAttrs (
      map (name: {
        inherit name;
        value = f name;
      }) names
    );

  mentioned = each (
    name:
    let
      pattern = "\n *(import|from) ([a-z_]+)|with_name\\(\"([a-z_]+)\\.py\"\\)";
      groups = builtins.filter builtins.isList (
        builtins.split pattern (builtins.readFile (./builders + "/${name}.py"))
      );
    in
    builtins.filter (word: builtins.elem word names) (builtins.concatLists groups)
  );

  filesOf = each (
    name:
    map ({ key }: "${key}.py") (
      builtins.genericClosure {
        startSet = [ { key = name; } ];
        operator = { key }: map (word: { key = word; }) mentioned.${key};
      }
    )
  );

  folderOf = builtins.mapAttrs (
    name: files:
    builtins.path {
      path = ./builders;
      name = "builder-${name}";
      filter = path: _: builtins.elem (baseNameOf path) files;
    }
  ) filesOf;

  # The derivation that a command makes which takes the script as its last argument.
  make =
    command: script: name: attributes:
    derivation (
      attributes
      // {
        inherit name system;
        builder = builtins.head command;
        args = builtins.tail command ++ [ "${folderOf.${script}}/${script}.py" ];
        __structuredAttrs = true;
      }
    );
in
/**
  How derivations are made by the Python files in `builders/`. Their arguments reach the builder as JSON.

  # Type
  ```
  { builder, compilerBuilder } :: String -> String -> AttrSet -> Derivation
  ```
*/
{
  /**
    A derivation that the builders' own Python makes.

    # Type
    ```
    builder :: String -> String -> AttrSet -> Derivation
    ```

    # Arguments
    - script: the file's name without `.py`
    - name: of the derivation
    - attributes: what the builder reads
  */
  builder = make [
    # Nix starts a builder with its bare file name, from which Python cannot find its library; the loader passes the
    # path on as it is written here.
    "${python}/${loader}"
    "${python}/usr/bin/python3.11"
    "-sSEB"
  ];

  /**
    A derivation that the image's own Python makes, the same way every time; see `builders/bytecode.py`.

    # Type
    ```
    compilerBuilder :: Compiler -> String -> String -> AttrSet -> Derivation
    ```

    # Arguments
    - compiler: `{ tree, loader, triplet, python }`, the interpreter
    - script, name, attributes: as above
  */
  compilerBuilder =
    compiler:
    make [
      busybox
      "env"
      "LC_ALL=C.UTF-8"
      "PYTHONHASHSEED=0"
      "${compiler.tree}/${compiler.loader}"
      "--library-path"
      "${compiler.tree}/usr/lib/${compiler.triplet}"
      "${compiler.tree}/usr/bin/python${compiler.python}"
      "-sSB"
      "-Wignore"
    ];
}
