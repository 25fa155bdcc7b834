{
  /**
    Put distributions into the layers of the lock's plan, in the plan's order; layers with none are left out.

    # Example
    ```nix
    layers.assign [ { name = "big"; distributions = [ "django" ]; } ] [ { name = "django"; } ]
    => [ { name = "big"; members = [ { name = "django"; } ]; } ]
    ```

    # Type
    ```
    assign :: [Layer] -> [Distribution] -> [{ name, members }]
    ```

    # Arguments
    - plan: the lock's `layers`
    - distributions: those of one platform
  */
  assign =
    plan: distributions:
    let
      byName = builtins.groupBy (record: record.name) distributions;
      member =
        name: byName.${name} or [ ];
      assigned = map (layer: {
        inherit (layer) name;
        members = builtins.concatMap member layer.distributions;
      }) plan;
      planned = builtins.concatMap (layer: layer.distributions) plan;
      missing = builtins.filter (name: !builtins.elem name planned) (builtins.attrNames byName);
    in
    if missing != [ ] then
      throw "estiba.lock has no layer for ${toString missing}; run: invoke lock"
    else
      builtins.filter (layer: layer.members != [ ]) assigned;
}
