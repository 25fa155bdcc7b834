{ lib }:
let
  inherit (lib.service) load;
  found = builtins.fromJSON (builtins.readFile ./services.json);
in
{
  load = {
    finds-settings-and-application = {
      expr = {
        inherit (load ./services/plain)
          name
          version
          settings
          wsgi
          compression
          platforms
          ;
      };
      expected = {
        name = "puerto-viejo";
        version = "1.2";
        settings = "harbour.settings";
        wsgi = "harbour.wsgi:application";
        compression = "zstd";
        platforms = [
          "aarch64-linux"
          "x86_64-linux"
        ];
      };
    };
    finds-what-python-finds = {
      expr = builtins.mapAttrs (
        name: _: {
          inherit (load (./services + "/${name}"))
            settings
            wsgi
            asgi
            isAsgi
            ;
        }
      ) found;
      expected = found;
    };
    knows-the-layout-of-formatters-and-odd-names = {
      expr = {
        inherit (load ./services/formatted) name settings;
      };
      expected = {
        name = "puerto-viejo-2";
        settings = "harbour.settings.base";
      };
    };
    takes-the-class-of-settings-from-the-application = {
      expr = (load ./services/classes).configuration;
      expected = "Production";
    };
    takes-the-class-of-settings-from-manage-where-nothing-else-names-it = {
      expr = (load ./services/classes_in_manage).configuration;
      expected = "Harbour";
    };
    knows-settings-without-classes = {
      expr = (load ./services/plain).configuration;
      expected = null;
    };
    has-one-name-for-the-nameless = {
      expr = (load ./services/explicit).name;
      expected = "service";
    };
    takes-what-is-written = {
      expr = {
        inherit (load ./services/explicit)
          settings
          wsgi
          compression
          platforms
          prepare
          env
          ;
      };
      expected = {
        settings = "site.settings.production";
        wsgi = "site.web:app";
        compression = "gzip";
        platforms = [ "x86_64-linux" ];
        prepare = [
          [
            "compilescss"
            "--force"
          ]
          [ "compilemessages" ]
        ];
        env = {
          ENVIRONMENT = "build";
        };
      };
    };
    refuses-unknown-keys = {
      expr = load ./services/unknown_key;
      expectedError = "pyproject.toml: unknown keys in [tool.estiba]: pyhton; run: invoke lock";
    };
    refuses-another-compression = {
      expr = load ./services/bad_compression;
      expectedError = "pyproject.toml: [tool.estiba] compression is lzma; use one of gzip zstd";
    };
    refuses-commands-that-are-no-lists-of-words = {
      expr = load ./services/bad_prepare;
      expectedError = "pyproject.toml: [tool.estiba] prepare must be a list of commands, such as [['compilescss']]; run: invoke lock";
    };
    refuses-a-project-without-settings = {
      expr = (load ./services/no_settings).settings;
      expectedError = "manage.py does not name a settings module; set [tool.estiba] settings in pyproject.toml";
    };
  };
}
