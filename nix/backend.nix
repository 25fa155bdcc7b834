/**
  What an sdist's build backend answers to one question, asked in the sandbox in the root that the sdist is built in.

  # Type
  ```
  { request :: String } -> { answer :: Derivation }
  ```

  # Arguments
  - request: path of a JSON file with `lock` (path of a lock that holds the toolchain and the sdist alone), `packages`
    (folder that the build requirements are installed in), `backend`, `backendPath` and `hook`
*/
{ request }:
let
  given = builtins.fromJSON (builtins.readFile request);
  system = builtins.currentSystem;
  estiba = import ./. { flake = ../.; };
  scope = estiba.scopeFor system;
  lock = estiba.lib.lock.parse (builtins.readFile given.lock);
  sdist = builtins.head lock.distributions;
in
{
  answer = scope.builder "backend" "backend-of-${sdist.name}" {
    # The same derivation as in the service's build, so that nothing is unpacked twice.
    tree = scope.debian.tree {
      name = "toolchain";
      debs = estiba.lib.lock.debs lock system [ "build" ];
    };
    sdist = scope.artifact sdist;
    packages = builtins.path {
      path = given.packages;
      name = "build-requirements";
    };
    inherit (sdist) file;
    inherit (given) backend backendPath hook;
    inherit (lock) python;
  };
}
