/**
  What a service is on one build platform: the images of all its platforms, and the parts that they are made of.

  # Arguments
  - lib: the library of pure functions
  - service: its settings, see `lib.service.load`
  - lock: its lock, see `lib.lock.parse`
  - lockHash: SHA-256 of the lock file, in hexadecimal
  - src: its folder
  - commit: `{ revision, created }`
  - system: the platform that builds
  - scope: that platform's derivations, see `build/default.nix`
  - supervisor: that platform's programs that keep others running
  - extraContents: a function from a platform to store paths to add to its image
*/
{
  lib,
  service,
  lock,
  lockHash,
  src,
  commit,
  system,
  scope,
  supervisor,
  extraContents,
}:
let
  inherit (lib.lock) debs distributions;
  inherit (scope)
    check
    debian
    django
    host
    image
    layer
    python
    release
    ;

  interpreter = {
    inherit (lib.platform.of system) loader triplet;
    inherit (lock) python;
  };
  compiler = interpreter // {
    tree = debian.interpreter {
      inherit interpreter;
      debs = lib.lock.compilerDebs lock system;
    };
  };

  frame = django.runtimeFiles compiler;
  describe =
    name: contents:
    layer.describe {
      inherit name contents;
      inherit (service) compression;
    };

  source = lib.source.application {
    inherit src;
    inherit (service) exclude include;
  };

  # Null where the service has no commands of its own to run: then nothing comes before its application.
  prepared =
    if service.prepare == [ ] then
      null
    else
      django.prepared {
        inherit compiler source;
        inherit (service) manage;
        commands = service.prepare;
        tree = prepareTree;
        frame = env;
        environment = buildEnvironment // {
          PYTHONDONTWRITEBYTECODE = "1";
          SOURCE_DATE_EPOCH = "315532800";
        };
      };

  prepareDebs = lib.lock.prepareDebs lock system service.debian-build;
  prepareTree =
    if prepareDebs == [ ] then
      tree
    else
      debian.tree {
        name = "prepare-root";
        debs = prepareDebs;
        bytecode = compiler.tree;
      };

  application = django.application {
    inherit compiler;
    source = if prepared == null then source else prepared;
    layer = describe "application" [ "${service.name} ${service.version}" ];
    static =
      if service.static then
        {
          inherit tree;
          frame = env;
          environment = buildEnvironment;
          layer = describe "static" [ "collected static files" ];
        }
        // optional "prepared" prepared
      else
        null;
  };
  static = if service.static then application.static else null;

  # Of every program that runs in a root of the build.
  rootEnvironment = {
    HOME = "/tmp";
    LANG = "C.UTF-8";
    PATH = "/opt/venv/bin:/usr/bin:/bin";
    PYTHONHASHSEED = "0";
  };

  # Where a build stands in for production: settings load, and nothing is reached or signed with these.
  buildEnvironment = rootEnvironment // {
    ESTIBA_BUILD = "1";
    SECRET_KEY = "only-for-the-build-and-never-in-an-image-0123456789-abcdefghij";
    ALLOWED_HOSTS = "localhost";
    DATABASE_URL = "postgresql://build@localhost/build";
    REDIS_URL = "redis://localhost/0";
  }
  // settingsEnvironment
  // service.env;

  settingsEnvironment = {
    DJANGO_SETTINGS_MODULE = service.settings;
  }
  // optional "DJANGO_CONFIGURATION" service.configuration;

  # Each is worked out once, however many layers and environments have it; a wheel's file says for which platforms it is.
  wheelFor = platform: record: wheels.${keyOf platform record};
  keyOf = platform: record: if record.kind == "sdist" then "${platform} ${record.file}" else record.file;
  wheels = builtins.listToAttrs (
    builtins.concatMap (
      platform:
      map (record: {
        name = keyOf platform record;
        value = python.wheel compiler (
          { inherit record; }
          // (if record.kind == "sdist" then { file = builtSdist platform record; } else { })
        );
      }) (lock.distributions ++ lock.build_distributions)
    ) lock.platforms
  );

  builtSdist =
    platform: record:
    python.fromSdist {
      inherit record;
      tree = toolchain;
      runtime = tree;
      frame = python.env "build-env-${record.name}" (
        map (wheelFor system) (lib.lock.buildRequirements lock system record) ++ [ frame ]
      );
      foreign = if platform == system then "" else platform;
      environment = rootEnvironment // {
        SOURCE_DATE_EPOCH = "315532800";
        CFLAGS = "-g0 -O2";
        ZERO_AR_DATE = "1";
      };
    };

  toolchain = debian.tree {
    name = "toolchain";
    debs = debs lock system [ "build" ];
  };
  inherit ((ofPlatform system).root) tree;

  ofPlatform = platform: import ./on-platform.nix {
    inherit lib service lock platform scope describe frame application;
    native = platform == system;
    wheelFor = wheelFor platform;
    bytecode = compiler.tree;
    extraContents = extraContents platform;
  };

  unpacked = groups: map (wheelFor system) (distributions lock system groups);
  env = python.env "env" (unpacked [ "runtime" ] ++ [ frame ]);
  devEnv = python.env "dev-env" (
    unpacked [
      "dev"
      "runtime"
    ]
    ++ [ frame ]
  );

  checkTree = debian.tree {
    name = "check-root";
    debs = debs lock system checkGroups;
    bytecode = compiler.tree;
  };
  checkGroups = [
    "base"
    "check"
    "service"
  ];

  checkResults = check.results {
    inherit prepared;
    inherit (service) manage;
    tree = checkTree;
    env = devEnv;
    source = lib.source.checked src;
    inherit static;
    test = service.test-command;
    level = service.check-level;
    environment = removeAttrs buildEnvironment [ "ESTIBA_BUILD" ];
    override = service.env;
  };

  servers = {
    nginx = "nginx";
    postgresql = if lock.debian.suite == "bookworm" then "postgresql-15" else "postgresql-17";
    redis = "redis-server";
  };
  versionOf =
    name:
    let
      found = builtins.filter (deb: deb.name == name) (debs lock system [ "check" ]);
    in
    if found == [ ] then
      throw "estiba.lock has no ${name}, which a release for one machine needs; run: invoke lock --upgrade-debian"
    else
      (builtins.head found).version;

  hostRelease = host.release {
    inherit service compiler tree frame env application static supervisor;
    inherit (commit) revision;
    lock = "sha256:${lockHash}";
    config = import ./image-config.nix service;
    servers = checkTree;
    versions = builtins.mapAttrs (_: versionOf) servers;
    digests = builtins.mapAttrs (_: lib.lock.programDigest lock system checkGroups) servers;
    processes = [
      "web"
    ]
    ++ (
      if builtins.any ({ name, ... }: name == "django-rq") (distributions lock system [ "runtime" ]) then
        [
          "worker"
          "scheduler"
        ]
      else
        [ ]
    );
  };

  manifestOf =
    contents:
    release.manifest (
      {
        inherit service;
        inherit (commit) revision;
        lock = "sha256:${lockHash}";
        migrations = release.migrations {
          inherit compiler application tree;
          runtime = frame;
          frame = env;
          environment = buildEnvironment;
        };
        image = null;
        host = null;
      }
      // contents
    );

  annotations =
    {
      "io.estiba.lock.digest" = "sha256:${lockHash}";
      "io.estiba.version" = import ./version.nix;
      "org.opencontainers.image.created" = commit.created;
      "org.opencontainers.image.title" = service.name;
      "org.opencontainers.image.version" = service.version;
    }
    // optional "org.opencontainers.image.licenses" service.licenses
    // optional "org.opencontainers.image.revision" (if commit.revision == "" then null else commit.revision)
    // optional "org.opencontainers.image.source" service.source;

  optional = name: value: if value == null then { } else { ${name} = value; };

  layoutOf = platforms: image.layout {
    inherit annotations;
    inherit (commit) created;
    reference = "${service.name}:${service.version}";
    config = import ./image-config.nix service;
    platforms = map ofPlatform platforms;
  };
  platforms = builtins.filter (name: builtins.elem name lock.platforms) service.platforms;
in
{
  development = {
    inherit (service) name manage;
    inherit (lock) python;
    inherit source;
    servers = checkTree;
    debs = debs lock system [
      "base"
      "service"
    ];
    sources = unpacked [
      "dev"
      "runtime"
    ];
    variables = settingsEnvironment // service.shell-env;
  };
  packages = {
    default = layoutOf platforms;
    image = layoutOf platforms;
    inherit application env;
    tree = tree // {
      outputSpecified = true;
    };
    check-results = checkResults;
    host = hostRelease;
    release = manifestOf {
      image = layoutOf platforms;
      host = hostRelease;
    };
    release-host = manifestOf { host = hostRelease; };
    release-image = manifestOf { image = layoutOf platforms; };
    check-root = checkTree;
  }
  // builtins.listToAttrs (
    map (platform: {
      name = "image-${platform}";
      value = layoutOf [ platform ];
    }) platforms
  );
  checks.check = check.verdict checkResults;
}
