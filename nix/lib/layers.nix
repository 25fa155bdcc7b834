{
  /**
    Put distributions that may share a derivation together, by its name: small wheels of pure Python, since starting a
    builder takes longer than unpacking one.

    Their names decide which ones, so that another distribution in the lock moves none.

    # Example
    ```nix
    layers.share { distributions = [ { name = "six"; size = 11000; file = "six-1.17.0-py2.py3-none-any.whl"; … } { name = "django"; size = 8000000; … } ]; … }
    => { dists-runtime-4-x86_64-linux = [ { name = "six"; … } ]; }
    ```

    # Type
    ```
    share :: Lock -> { name = [Distribution] }
    ```

    # Arguments
    - lock: as `lock.parse` returns it
  */
  share =
    lock:
    let
      isSmall =
        record:
        record.kind == "wheel"
        && record.size < 300000
        && builtins.match ".*-none-any\\.whl" record.file != null;
      # Images do not wait for what only tests use, which need not have been fetched.
      group = record: if builtins.elem "runtime" record.groups then "runtime" else "dev";
      # Nor do sdists of images, whose build may need one of the same wheels.
      builds = builtins.groupBy (record: record.file) lock.build_distributions;
      isAlone = record: group record == "dev" && builds ? ${record.file};
      digit = name: builtins.substring 0 1 (builtins.hashString "sha256" name);
    in
    builtins.groupBy (
      record:
      builtins.concatStringsSep "-" (
        [
          "dists"
          (group record)
          (digit record.name)
        ]
        ++ record.platforms
      )
    ) (builtins.filter (record: isSmall record && !isAlone record) lock.distributions);

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
