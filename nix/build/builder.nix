{
  busybox,
  loader,
  python,
  system,
}:
let
  # Name of each module → its path below `builders/`; the folders are the stages of a build.
  paths = modulesIn "" // builtins.foldl' (all: stage: all // modulesIn "${stage}/") { } stages;
  stages = builtins.filter (name: entries.${name} == "directory") (builtins.attrNames entries);
  entries = builtins.readDir ./builders;
  modulesIn =
    folder:
    builtins.listToAttrs (
      builtins.concatMap (
        file:
        let
          found = builtins.match "(.*)\\.py" file;
        in
        map (name: {
          inherit name;
          value = "${folder}${file}";
        }) (if found == null then [ ] else found)
      ) (builtins.attrNames (builtins.readDir (./builders + "/${folder}")))
    );

  # By name, each worked out once: matching takes a quarter of an evaluation.
  each = f: builtins.mapAttrs (name: _: f name) paths;

  # A builder is one Python file and those that it imports or runs, so that a change in one of them rebuilds only what it
  # makes.
  mentioned = each (
    name:
    let
      pattern = "\n *(import|from) ([a-z_]+)|with_name\\(\"([a-z_]+)\\.py\"\\)";
      groups = builtins.filter builtins.isList (
        builtins.split pattern (builtins.readFile (./builders + "/${paths.${name}}"))
      );
    in
    builtins.filter (word: paths ? ${toString word}) (builtins.concatLists groups)
  );

  filesOf = each (
    name:
    map ({ key }: paths.${key}) (
      builtins.genericClosure {
        startSet = [
          { key = name; }
          { key = "run"; }
        ];
        operator = { key }: map (word: { key = word; }) mentioned.${key};
      }
    )
  );

  folderOf = builtins.mapAttrs (
    name: files:
    let
      folders = map dirOf files;
      top = builtins.stringLength (toString ./builders) + 1;
    in
    builtins.path {
      path = ./builders;
      name = "builder-${name}";
      filter =
        path: kind:
        builtins.elem (builtins.substring top (-1) path) (if kind == "directory" then folders else files);
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
        args = builtins.tail command ++ [
          "${folderOf.${script}}/run.py"
          paths.${script}
        ];
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
    A derivation that the image's own Python makes, the same way every time; see `builders/distributions/bytecode.py`.

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
