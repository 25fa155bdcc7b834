{ lib }:
let
  lock = lib.lock.parse (builtins.readFile ./locks/small.lock);
  files = map (record: record.file);

  # A database with an extension, and a cache, in one root.
  root = {
    cache = [ "libc" ];
    database = [
      "libc"
      "libxml"
    ];
    extension = [
      "database"
      "libmath"
    ];
    libc = [ ];
    libmath = [ ];
    libxml = [ "libc" ];
    spare = [ "libc" ];
  };
  digestOf =
    name: sha256: changed:
    lib.lock.programDigest {
      debs = map (package: {
        name = package;
        version = "1";
        sha256 = if package == changed then sha256 else "0";
        depends = root.${package};
        groups = [ "check" ];
        platforms = [ "x86_64-linux" ];
      }) (builtins.attrNames root);
    } "x86_64-linux" [ "check" ] name;
  # Those packages whose change is one of the program.
  movedBy =
    name:
    builtins.filter (changed: digestOf name "0" changed != digestOf name "1" changed) (
      builtins.attrNames root
    );
  prepared = lock // {
    debs = map (
      record: record // { groups = record.groups ++ (if record.name == "gcc" then [ "prepare" ] else [ ]); }
    ) lock.debs;
  };
in
{
  parse = {
    reads-the-format = {
      expr = {
        inherit (lock) version python;
      };
      expected = {
        version = 1;
        python = "3.13";
      };
    };
    refuses-another-format = {
      expr = lib.lock.parse "{\"version\": 2}";
      expectedError = "estiba.lock has format 2, this library reads 1; run: invoke lock";
    };
    refuses-no-format = {
      expr = lib.lock.parse "{}";
      expectedError = "estiba.lock has format unknown, this library reads 1; run: invoke lock";
    };
  };
  debs = {
    takes-those-of-platform-and-group = {
      expr = files (lib.lock.debs lock "aarch64-linux" [ "base" ]);
      expected = [
        "libc6_2.41-12_arm64.deb"
        "libpython3.13-stdlib_3.13.5-2_arm64.deb"
        "python3.13-minimal_3.13.5-2_arm64.deb"
        "tzdata_2025b-4_all.deb"
      ];
    };
    takes-any-of-several-groups = {
      expr = files (
        lib.lock.debs lock "x86_64-linux" [
          "build"
          "service"
        ]
      );
      expected = [
        "gcc_14.2.0-1_amd64.deb"
        "libmagic1_5.46-5_amd64.deb"
      ];
    };
  };
  distributions = {
    takes-the-wheel-of-the-platform = {
      expr = files (lib.lock.distributions lock "aarch64-linux" [ "runtime" ]);
      expected = [
        "django-5.2.1-py3-none-any.whl"
        "pillow-11.2.1-cp313-cp313-manylinux_2_28_aarch64.whl"
        "pyyaml-6.0.2.tar.gz"
      ];
    };
    leaves-other-groups-out = {
      expr = files (lib.lock.distributions lock "x86_64-linux" [ "dev" ]);
      expected = [ "pytest-8.3.5-py3-none-any.whl" ];
    };
  };
  compilerDebs = {
    is-the-interpreter-and-its-library-alone = {
      expr = files (lib.lock.compilerDebs lock "x86_64-linux");
      expected = [
        "libc6_2.41-12_amd64.deb"
        "python3.13-minimal_3.13.5-2_amd64.deb"
        "libpython3.13-stdlib_3.13.5-2_amd64.deb"
      ];
    };
  };
  libraryDebs = {
    takes-those-of-the-platform = {
      expr = files (lib.lock.libraryDebs lock "aarch64-linux");
      expected = [ "libpython3.13-stdlib_3.13.5-2_arm64.deb" ];
    };
  };
  programDigest = {
    follows-what-the-program-needs = {
      expr = movedBy "cache";
      expected = [
        "cache"
        "libc"
      ];
    };
    follows-what-adds-to-the-program = {
      expr = movedBy "database";
      expected = [
        "database"
        "extension"
        "libc"
        "libmath"
        "libxml"
      ];
    };
    is-the-hash-of-names-versions-and-hashes = {
      expr = digestOf "libmath" "0" "libmath";
      expected =
        let
          lines = "database 1 0\nextension 1 0\nlibc 1 0\nlibmath 1 0\nlibxml 1 0\n";
        in
        "sha256:${builtins.hashString "sha256" lines}";
    };
  };
  prepareDebs = {
    takes-the-whole-root = {
      expr = files (lib.lock.prepareDebs prepared "x86_64-linux" [ "gettext" ]);
      expected = [ "gcc_14.2.0-1_amd64.deb" ];
    };
    is-nothing-where-the-image-has-all = {
      expr = lib.lock.prepareDebs lock "x86_64-linux" [ ];
      expected = [ ];
    };
    refuses-a-lock-from-before = {
      expr = lib.lock.prepareDebs lock "x86_64-linux" [ "gettext" ];
      expectedError = "estiba.lock lacks the packages of debian-build for what [tool.estiba] prepare names; run: invoke lock";
    };
  };
  buildRequirements = {
    takes-the-exact-versions = {
      expr = files (
        lib.lock.buildRequirements lock "x86_64-linux" (
          builtins.head (builtins.filter (record: record.kind == "sdist") lock.distributions)
        )
      );
      expected = [
        "cython-3.1.1-cp313-cp313-manylinux2014_x86_64.whl"
        "setuptools-80.1.0-py3-none-any.whl"
      ];
    };
  };
}
