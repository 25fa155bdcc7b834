{ lib }:
let
  list =
    path:
    let
      entries = builtins.readDir path;
    in
    builtins.concatMap (
      name:
      if entries.${name} == "directory" then map (below: "${name}/${below}") (list (path + "/${name}")) else [ name ]
    ) (builtins.attrNames entries);
  matches = glob: name: builtins.match (lib.source.globRegex glob) name != null;
in
{
  # Python has the same rule, and tests/unit/build/test_tracked.py the same file.
  globRegex = builtins.mapAttrs (glob: paths: {
    expr = builtins.mapAttrs (path: _: matches glob path) paths;
    expected = paths;
  }) (builtins.fromJSON (builtins.readFile ./globs.json));
  complete = {
    is-the-folder-itself = {
      expr =
        map
          (
            exclude:
            lib.source.complete {
              inherit exclude;
              include = [ ];
              src = ./services/joined;
            }
          )
          [
            [
              "libs/**"
              "old"
            ]
            [
              "libs/other"
              "o?d"
            ]
          ];
      expected = [ ./services/joined ./services/joined ];
    };
    lacks-what-other-repositories-have = {
      expr = lib.source.complete {
        src = ./services/joined;
        exclude = [ "old" ];
        include = [ ];
      };
      expectedError = "libs/other: a build sees no files of a git submodule; require it as a git+https://…@COMMIT package, copy it, or exclude it in [tool.estiba]";
    };
    is-below-the-top-of-a-repository = {
      expr = lib.source.complete {
        src = builtins.path { path = ./joined; } + "/site";
        exclude = [ ];
        include = [ ];
      };
      expectedError = "libs/other: a build sees no files of a git submodule; require it as a git+https://…@COMMIT package, copy it, or exclude it in [tool.estiba]";
    };
  };
  complete-outside-of-git =
    let
      find =
        more: include:
        lib.source.complete {
          src = {
            outPath = unversioned;
          }
          // more;
          exclude = [ ];
          inherit include;
        };
      unversioned = ./unversioned;
    in
    {
      is-refused-with-what-git-would-not-have = {
        expr = find { } [ ];
        expectedError = "the folder is in no git repository, so Nix has copied all of it into its store, with .env.dev, env, site.sqlite3; name them in .gitignore, then git init && git add -A";
      };
      may-be-what-the-service-includes = {
        expr = (find { } [ ".env.dev" "env" "*.sqlite3" ]).outPath;
        expected = unversioned;
      };
      is-not-a-repository-before-its-first-commit = {
        expr = (find { submodules = false; } [ ]).outPath;
        expected = unversioned;
      };
      is-not-what-has-a-commit = {
        expr = (find { rev = "0d1d7fc32d89c8b2e5d2dcd6b0e2b0d5e0a6f3f1"; } [ ]).outPath;
        expected = unversioned;
      };
    };
  application = {
    holds-the-services-own-files = {
      expr = list (
        lib.source.application {
          src = ./services/plain;
          exclude = [ "docs/**" ];
          include = [ ];
        }
      );
      expected = [
        "harbour/settings.py"
        "harbour/wsgi.py"
        "manage.py"
        "pyproject.toml"
      ];
    };
    keeps-what-is-asked-for = {
      expr = list (
        lib.source.application {
          src = ./services/plain;
          exclude = [
            "docs/**"
            "harbour/**"
          ];
          include = [
            "README.*"
            "harbour/*"
          ];
        }
      );
      expected = [
        "README.md"
        "manage.py"
        "pyproject.toml"
      ];
    };
    keeps-a-name-that-is-asked-for = {
      expr = list (
        lib.source.application {
          src = ./services/secretive;
          exclude = [ ];
          include = [
            "certs/*.pem"
            "shop/node_modules/htmx/*.js"
          ];
        }
      );
      expected = [
        "certs/public.pem"
        "result/__init__.py"
        "shop/node_modules/htmx/htmx.js"
      ];
    };
    leaves-out-the-tasks-of-invoke-alone = {
      expr = map (
        src:
        list (
          lib.source.application {
            inherit src;
            exclude = [ ];
            include = [ ];
          }
        )
      ) [ ./services/queued ./services/tasked ];
      expected = [
        [
          "manage.py"
          "tasks.py"
        ]
        [ "manage.py" ]
      ];
    };
    keeps-a-package-with-the-name-of-our-folders = {
      expr = list (
        lib.source.application {
          src = ./services/reporting;
          exclude = [ ];
          include = [ ];
        }
      );
      expected = [ "reports/__init__.py" ];
    };
  };
  package = {
    holds-one-folder = {
      expr = list (
        lib.source.package {
          src = ./services;
          path = "reporting";
        }
      );
      expected = [
        "helm/Chart.yaml"
        "reports/__init__.py"
      ];
    };
  };
  catalogues = {
    are-those-that-are-not-compiled-with-what-is-beside-them = {
      expr = lib.source.catalogues ./services/translated;
      expected = [
        "harbour/locale/es/LC_MESSAGES/django.po"
        "harbour/locale/es/LC_MESSAGES/djangojs.mo"
        "harbour/locale/es/LC_MESSAGES/djangojs.po"
        "names/fr/LC_MESSAGES/harbour.names.po"
      ];
    };
    are-none-where-nothing-is-translated = {
      expr = lib.source.catalogues ./services/plain;
      expected = [ ];
    };
  };
  only = {
    has-files-and-nothing-beside-them = {
      expr = list (
        lib.source.only "some" [
          "manage.py"
          "docs/pilot.md"
          "missing/file"
        ] ./services/plain
      );
      expected = [
        "docs/pilot.md"
        "manage.py"
      ];
    };
  };
  checked = {
    keeps-a-package-with-the-name-of-our-folders = {
      expr = list (lib.source.checked {
          src = ./services/reporting;
          include = [ ];
        });
      expected = [ "reports/__init__.py" ];
    };
    keeps-what-tests-may-read = {
      expr = list (lib.source.checked {
          src = ./services/plain;
          include = [ ];
        });
      expected = [
        "README.md"
        "docs/pilot.md"
        "harbour/settings.py"
        "harbour/wsgi.py"
        "manage.py"
        "pyproject.toml"
      ];
    };
  };
}
