/**
  The environment variables of programs that run in a root of the build.

  # Type
  ```
  { service } -> { root :: AttrSet, settings :: AttrSet, build :: AttrSet, check :: AttrSet, development :: AttrSet }
  ```

  # Arguments
  - service: its settings, see `lib.service.load`
*/
{ service }:
let
  # As the image's entry point has it: manage.py puts its own folder first, and cannot do so for other programs.
  folder = dirOf service.manage;
in
rec {
  /**
    Of every program.
  */
  root = {
    HOME = "/tmp";
    LANG = "C.UTF-8";
    PATH = "/opt/venv/bin:/usr/bin:/bin";
    PYTHONHASHSEED = "0";
  };

  /**
    Those by which Django finds the settings.
  */
  settings = {
    DJANGO_SETTINGS_MODULE = service.settings;
  }
  // (
    if service.configuration == null then { } else { DJANGO_CONFIGURATION = service.configuration; }
  );

  # A folder below that of the service; its own is the working directory, which is on the path already.
  path = if folder == "." then { } else { PYTHONPATH = "/app/${folder}"; };

  /**
    Where a build stands in for production: settings load, and nothing is reached or signed with these.
  */
  build =
    root
    // {
      ESTIBA_BUILD = "1";
      SECRET_KEY = "only-for-the-build-and-never-in-an-image-0123456789-abcdefghij";
      ALLOWED_HOSTS = "localhost";
      DATABASE_URL = "postgresql://build@localhost/build";
      REDIS_URL = "redis://localhost/0";
    }
    // settings
    // path
    // service.env;

  /**
    Of the checks, which are a use of the service and no build.
  */
  check = removeAttrs build [ "ESTIBA_BUILD" ];

  /**
    Of the development shell.
  */
  development = settings // service.shell-env;
}
