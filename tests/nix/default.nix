/**
  The tests of the library: `test_<module>.nix` holds function → case → `{ expr, expected }` or `{ expr, expectedError }`.
*/
let
  lib = import ../../nix/lib;

  present = builtins.filter (module: builtins.pathExists (./. + "/test_${module}.nix")) (builtins.attrNames lib);
  cases = builtins.listToAttrs (
    map (name: {
      inherit name;
      value = import (./. + "/test_${name}.nix") { inherit lib; };
    }) present
  );

  flat = builtins.concatMap (
    module:
    builtins.concatMap (
      function:
      map (name: {
        name = "${module}.${function}.${name}";
        value = cases.${module}.${function}.${name};
      }) (builtins.attrNames cases.${module}.${function})
    ) (builtins.attrNames cases.${module})
  ) (builtins.attrNames cases);

  holding = builtins.filter ({ value, ... }: value ? expected) flat;
  throwing = builtins.filter ({ value, ... }: value ? expectedError) flat;
in
{
  inherit cases;

  /**
    Cases whose value is not the expected one.
  */
  failures = map (
    { name, value }:
    {
      inherit name;
      inherit (value) expected expr;
    }
  ) (builtins.filter ({ value, ... }: value.expr != value.expected) holding);

  /**
    Cases that must throw and do not; which message they throw with cannot be seen from inside.
  */
  silent = map ({ name, ... }: name) (
    builtins.filter ({ value, ... }: (builtins.tryEval (builtins.deepSeq value.expr null)).success) throwing
  );

  /**
    Case → message, for those that must throw.
  */
  errors = builtins.listToAttrs (
    map ({ name, value }: {
      inherit name;
      value = value.expectedError;
    }) throwing
  );

  /**
    Exports of the library without a case.
  */
  untested = builtins.concatMap (
    module:
    map (function: "${module}.${function}") (
      builtins.filter (function: (cases.${module}.${function} or { }) == { }) (builtins.attrNames lib.${module})
    )
  ) (builtins.attrNames lib);

  count = builtins.length flat;
}
