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
  - gettext: that platform's programs for message catalogues
  - supervisor: those that keep others running
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
  gettext,
  supervisor,
  extraContents,
}:
let
  inherit (scope) debian image release;
  inherit (commit) revision;
  lockDigest = "sha256:${lockHash}";

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
  frame = scope.django.runtimeFiles compiler;
  describe =
    name: contents:
    scope.layer.describe {
      inherit name contents;
      inherit (service) compression;
    };

  processes = lib.processes.plan {
    inherit service;
    distributions = map (record: record.name) (lib.lock.distributions lock system [ "runtime" ]);
  };
  imageConfig = import ./image-config.nix { inherit service processes; };

  environment = import ./environment.nix { inherit service; };
  wheels = import ./wheels.nix {
    inherit lib lock src system scope compiler frame tree;
    environment = environment.root;
  };
  own = import ./application.nix {
    inherit lib service lock src system scope gettext compiler describe tree;
    inherit (wheels) env;
    environment = environment.build;
  };
  checks = import ./checks.nix {
    inherit lib service lock src system scope compiler;
    inherit (wheels) devEnv;
    inherit (own) catalogues prepared static;
    environment = environment.check;
  };
  host = import ./host.nix {
    inherit lib service lock lockDigest revision system scope compiler supervisor frame tree checks;
    inherit processes;
    config = imageConfig;
    inherit (wheels) env;
    inherit (own) application static;
  };

  onPlatform = platform: import ./platform.nix {
    inherit lib service lock platform scope describe frame;
    inherit (own) application;
    native = platform == system;
    wheelFor = wheels.wheelFor platform;
    bytecode = compiler.tree;
    extraContents = extraContents platform;
  };
  inherit ((onPlatform system).root) tree;

  layoutOf = platforms: image.layout {
    annotations = import ./annotations.nix { inherit service lockDigest commit; };
    inherit (commit) created;
    reference = "${service.name}:${service.version}";
    config = imageConfig;
    platforms = map onPlatform platforms;
  };
  platforms = builtins.filter (name: builtins.elem name lock.platforms) service.platforms;

  manifestOf =
    contents:
    release.manifest (
      {
        inherit service revision;
        inherit (own) static;
        lock = lockDigest;
        migrations = release.migrations {
          inherit compiler tree;
          inherit (own) application;
          inherit (service) persist;
          runtime = frame;
          frame = wheels.env;
          environment = environment.build;
        };
        image = null;
        host = null;
      }
      // contents
    );
in
{
  development = {
    inherit (service) name manage prepare test-command;
    inherit (lock) python;
    inherit (own) catalogues;
    gettext = if own.catalogues == null then null else gettext;
    source =
      if own.catalogues == null then
        own.source
      else
        scope.django.merged { inherit (own) source catalogues; };
    servers = checks.tree;
    debs = lib.lock.debs lock system (
      [
        "base"
        "service"
      ]
      ++ (if service.prepare == [ ] then [ ] else [ "prepare" ])
    );
    sources = wheels.all;
    variables = environment.development;
  };
  packages = {
    default = layoutOf platforms;
    image = layoutOf platforms;
    inherit (own) application;
    inherit (wheels) env;
    inherit host;
    tree = tree // {
      outputSpecified = true;
    };
    check-results = checks.results;
    check-root = checks.tree;
    release = manifestOf {
      inherit host;
      image = layoutOf platforms;
    };
    release-host = manifestOf { inherit host; };
    release-image = manifestOf { image = layoutOf platforms; };
  }
  // builtins.listToAttrs (
    map (platform: {
      name = "image-${platform}";
      value = layoutOf [ platform ];
    }) platforms
  );
  checks.check = scope.check.verdict checks.results;
}
