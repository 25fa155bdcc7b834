{
  loader,
  python,
  system,
}:
let
  builders = builtins.path {
    path = ./builders;
    name = "estiba-builders";
    filter = path: _: builtins.match ".*\\.py" path != null;
  };
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
      "${builders}/${script}.py"
    ];
    __structuredAttrs = true;
  }
)
