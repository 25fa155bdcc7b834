/**
  A flake check that the library passes its tests; what fails is named when the check is evaluated.

  # Type
  ```
  { seed, system } -> Derivation
  ```

  # Arguments
  - seed: a folder with `bin/busybox`
  - system: the platform that builds
*/
{ seed, system }:
let
  tests = import ./.;
  problems =
    map ({ name, ... }: "${name} has another value than expected") tests.failures
    ++ map (name: "${name} does not throw") tests.silent
    ++ map (name: "${name} has no case") tests.untested;
in
if problems != [ ] then
  throw "tests/nix:\n${builtins.concatStringsSep "\n" problems}"
else
  derivation {
    name = "library-tests";
    inherit system;
    builder = "${seed}/bin/busybox";
    args = [
      "sh"
      "-c"
      "echo '${toString tests.count} cases hold' >$out"
    ];
  }
