/**
  The root with npm that a service's lock describes, for `invoke fetch`; the same derivation as in the service's build.

  # Type
  ```
  { lock :: String } -> { tree :: Derivation }
  ```

  # Arguments
  - lock: absolute path of the lock
*/
{ lock }:
let
  system = builtins.currentSystem;
  estiba = import ./. { flake = ../.; };
  locked = estiba.lib.lock.parse (builtins.readFile lock);
in
{
  tree = (estiba.scopeFor system).frontend.tree (estiba.lib.lock.debs locked system [ "frontend" ]);
}
