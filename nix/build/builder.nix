{
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

  mentioned =
    name:
    let
      pattern = "\n *(import|from) ([a-z_]+)|with_name\\(\"([a-z_]+)\\.py\"\\)";
      groups = builtins.filter builtins.isList (
        builtins.split pattern (builtins.readFile (./builders + "/${name}.py"))
      );
    in
    builtins.filter (word: builtins.elem word names) (builtins.concatLists groups);

  filesOf = builtins.listToAttrs (
    map (name: {
      inherit name;
      value = map ({ key }: "${key}.py") (
        builtins.genericClosure {
          startSet = [ { key = name; } ];
          operator = { key }: map (word: { key = word; }) (mentioned key);
        }
      );
    }) names
  );

  folderOf = builtins.mapAttrs (
    name: files:
    builtins.path {
      path = ./builders;
      name = "builder-${name}";
      filter = path: _: builtins.elem (baseNameOf path) files;
    }
  ) filesOf;
in
/**
  A derivation that one of the Python files in `builders/` makes. Its arguments reach the builder as JSON.

  # Type
  ```
  builder :: String -> String -> AttrSet -> Derivation
  ```

  # Arguments
  - script: the file's name without `.py`
  - name: of the derivation
  - attributes: what the builder reads
*/
script: name: attributes:
derivation (
  attributes
  // {
    inherit name system;
    # Nix starts a builder with its bare file name, from which Python cannot find its library; the loader passes the
    # path on as it is written here.
    builder = "${python}/${loader}";
    args = [
      "${python}/usr/bin/python3.11"
      "-sSEB"
      "${folderOf.${script}}/${script}.py"
    ];
    __structuredAttrs = true;
  }
)
