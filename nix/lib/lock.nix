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
    - groups: `base`, `service`, `build`, `prepare`, `frontend`, `check`
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
      minimal = closure.of {
        records = debs lock platform [ "base" ];
        from = [ "python${lock.python}-minimal" ];
      };
    in
    # The rest of the library is compiled with it; what that depends on, no compiler needs.
    minimal ++ builtins.filter (deb: !builtins.elem deb minimal) (libraryDebs lock platform);

  /**
    The Debian packages that hold the locked Python's standard library.

    # Type
    ```
    libraryDebs :: Lock -> String -> [Deb]
    ```

    # Arguments
    - lock: as `parse` returns it
    - platform: a Nix system
  */
  libraryDebs =
    lock: platform:
    let
      names = map (part: "libpython${lock.python}-${part}") [
        "minimal"
        "stdlib"
      ];
    in
    builtins.filter (deb: builtins.elem deb.name names) (debs lock platform [ "base" ]);

  /**
    What a Debian program runs from, as one hash: its package, what that needs, and what adds to it, such as the
    extensions of a database; so that a program can be told to be the same in a root where other packages have changed.

    # Type
    ```
    programDigest :: Lock -> String -> [String] -> String -> String
    ```

    # Arguments
    - lock: as `parse` returns it
    - platform: a Nix system
    - groups: those that the root is made of
    - name: the program's package
  */
  programDigest =
    lock: platform: groups: name:
    let
      records = debs lock platform groups;
      users =
        { key }:
        builtins.concatMap (
          record: if builtins.elem key record.depends then [ { key = record.name; } ] else [ ]
        ) records;
      additions = builtins.genericClosure {
        startSet = [ { key = name; } ];
        operator = users;
      };
      found = closure.of {
        inherit records;
        from = map ({ key }: key) additions;
      };
      lines = map (record: "${record.name} ${record.version} ${record.sha256}\n") found;
    in
    "sha256:${builtins.hashString "sha256" (builtins.concatStringsSep "" lines)}";

  /**
    The Debian packages of the root that a service's own commands run in while it is built; none where the image's root
    will do.

    # Type
    ```
    prepareDebs :: Lock -> String -> [String] -> [Deb]
    ```

    # Arguments
    - lock: as `parse` returns it
    - platform: a Nix system, the one that builds
    - wanted: the packages that the build alone needs, `debian-build`
  */
  prepareDebs =
    lock: platform: wanted:
    let
      found = debs lock platform [ "prepare" ];
    in
    if wanted == [ ] then
      [ ]
    else if found == [ ] then
      throw "estiba.lock lacks the packages of debian-build for what [tool.estiba] prepare names; run: invoke lock"
    else
      found;

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
