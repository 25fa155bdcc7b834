{ closure }:
let
  known = 1;

  inAny = wanted: groups: builtins.any (group: builtins.elem group wanted) groups;

  select =
    records: platform: groups:
    builtins.filter (
      record: builtins.elem platform record.platforms && inAny groups record.groups
    ) records;
in
rec {
  /**
    Read the text of an `estiba.lock`; `docs/lock-format.md` describes the format.

    # Type
    ```
    parse :: String -> Lock
    ```

    # Arguments
    - text: the file's content
  */
  parse =
    text:
    let
      lock = builtins.fromJSON text;
    in
    if lock.version or null == known then
      lock
    else
      throw "estiba.lock has format ${toString (lock.version or "unknown")}, this library reads ${toString known}; run: invoke lock";

  /**
    The Debian packages of one platform that are in any of some groups.

    # Type
    ```
    debs :: Lock -> String -> [String] -> [Deb]
    ```

    # Arguments
    - lock: as `parse` returns it
    - platform: a Nix system
    - groups: `base`, `service`, `build`, `check`
  */
  debs = lock: select lock.debs;

  /**
    The Python distributions of one platform that are in any of some groups.

    # Type
    ```
    distributions :: Lock -> String -> [String] -> [Distribution]
    ```

    # Arguments
    - lock: as `parse` returns it
    - platform: a Nix system
    - groups: `runtime`, `dev`
  */
  distributions = lock: select lock.distributions;

  /**
    The few Debian packages that run the locked Python's compiler, and its standard library, so that an update of any
    other package leaves bytecode alone.

    # Type
    ```
    compilerDebs :: Lock -> String -> [Deb]
    ```

    # Arguments
    - lock: as `parse` returns it
    - platform: a Nix system
  */
  compilerDebs =
    lock: platform:
    let
      records = debs lock platform [ "base" ];
      # Its own dependencies are those of modules that the compiler does without.
      library = builtins.filter (deb: deb.name == "libpython${lock.python}-stdlib") records;
    in
    closure.of {
      inherit records;
      from = [ "python${lock.python}-minimal" ];
    }
    ++ library;

  /**
    The wheels of one sdist's build environment.

    # Type
    ```
    buildRequirements :: Lock -> String -> Distribution -> [Distribution]
    ```

    # Arguments
    - lock: as `parse` returns it
    - platform: a Nix system, the one that builds
    - sdist: a distribution with `kind = "sdist"`
  */
  buildRequirements =
    lock: platform: sdist:
    builtins.filter (
      record:
      builtins.elem platform record.platforms
      && builtins.elem "${record.name}==${record.version}" sdist.build
    ) lock.build_distributions;
}
