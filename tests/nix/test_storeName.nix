{ lib }:
let
  examples = builtins.fromJSON (builtins.readFile ./store-names.json);
in
{
  of = builtins.mapAttrs (name: expected: {
    expr = lib.storeName.of name;
    inherit expected;
  }) examples;
}
