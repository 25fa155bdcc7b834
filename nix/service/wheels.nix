/**
  The service's distributions, unpacked; each is worked out once, however many layers and environments have it.

  # Type
  ```
  { lib, lock, src, system, scope, compiler, frame, environment, tree } -> { wheelFor :: String -> Record -> String, all :: [String], env, devEnv :: Derivation }
  ```

  # Arguments
  - lib: the library of pure functions
  - lock: the service's lock
  - src: the service's folder, in which packages of its own are
  - system: the platform that builds
  - scope: that platform's derivations
  - compiler: the interpreter that compiles bytecode, see `build/python.nix`
  - frame: the entry point and the frame of the Python environment
  - environment: of programs that run in a root
  - tree: the image's Debian root
*/
{
  lib,
  lock,
  src,
  system,
  scope,
  compiler,
  frame,
  environment,
  tree,
}:
let
  inherit (lib.lock) debs distributions;
  inherit (scope) artifact debian python;

  # A wheel's file says for which platforms it is.
  keyOf = platform: record: if record.kind == "wheel" then record.file else "${platform} ${record.file}";

  # Every unpacked distribution by its key, as the folder of a derivation; the first one of a key counts.
  each = builtins.listToAttrs (
    builtins.concatLists (builtins.attrValues (builtins.mapAttrs (unpack null) (lib.layers.share lock)))
    ++ builtins.concatMap (
      platform:
      builtins.concatMap (record: unpack platform "dist-${record.name}-${record.version}" [ record ]) (
        lock.distributions ++ lock.build_distributions
      )
    ) lock.platforms
  );

  unpack =
    platform: name: records:
    let
      made = python.wheels compiler name (
        builtins.listToAttrs (
          map (record: {
            inherit (record) name;
            value = {
              inherit (record) file;
              wheel = if record.kind == "wheel" then artifact record else fromSdist platform record;
            };
          }) records
        )
      );
    in
    map (record: {
      name = keyOf platform record;
      value = "${made}/${record.name}";
    }) records;

  fromSdist =
    platform: record:
    python.fromSdist {
      inherit record;
      sdist =
        if record.kind == "local" then
          lib.source.package {
            inherit src;
            path = record.file;
          }
        else
          artifact record;
      tree = toolchain;
      runtime = tree;
      frame = python.env "build-env-${record.name}" (
        map (wheelFor system) (lib.lock.buildRequirements lock system record) ++ [ frame ]
      );
      foreign = if platform == system then "" else platform;
      environment = environment // {
        SOURCE_DATE_EPOCH = "315532800";
        CFLAGS = "-g0 -O2";
        ZERO_AR_DATE = "1";
      };
    };

  toolchain = debian.tree {
    name = "toolchain";
    debs = debs lock system [ "build" ];
  };

  wheelFor = platform: record: each.${keyOf platform record};
  unpacked = groups: map (wheelFor system) (distributions lock system groups);
  all = unpacked [
    "dev"
    "runtime"
  ];
in
{
  inherit wheelFor;

  /**
    The distributions of the service and of its development, for the platform that builds.
  */
  inherit all;

  /**
    The Python environment of the image.
  */
  env = python.env "env" (unpacked [ "runtime" ] ++ [ frame ]);

  /**
    The same with what tests need.
  */
  devEnv = python.env "dev-env" (all ++ [ frame ]);
}
