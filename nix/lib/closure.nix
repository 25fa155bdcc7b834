{
  /**
    The records reachable from some names through a field that lists names, sorted by name.

    # Example
    ```nix
    closure.of { records = [ { name = "a"; depends = [ "b" ]; } { name = "b"; depends = [ ]; } ]; from = [ "a" ]; }
    ```

    # Type
    ```
    of :: { records :: [Record], from :: [String], field :: String } -> [Record]
    ```

    # Arguments
    - records: attribute sets with `name` and the field
    - from: the names to start with; unknown ones are left out
    - field: the attribute that lists names
  */
  of =
    {
      records,
      from,
      field ? "depends",
    }:
    let
      byName = builtins.listToAttrs (
        map (record: {
          inherit (record) name;
          value = record;
        }) records
      );
      present = builtins.filter (name: byName ? ${name});
      reached = builtins.genericClosure {
        startSet = map (key: { inherit key; }) (present from);
        operator = { key }: map (name: { key = name; }) (present byName.${key}.${field});
      };
      names = builtins.sort builtins.lessThan (map ({ key }: key) reached);
    in
    map (name: byName.${name}) names;
}
