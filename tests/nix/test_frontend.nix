{ lib }:
let
  expected = builtins.fromJSON (builtins.readFile ./frontend.json);
  text = builtins.readFile ./frontend/package-lock.json;

  lockOf =
    entry:
    builtins.toJSON {
      lockfileVersion = 3;
      packages = {
        "node_modules/@scope/hola" = entry;
      };
    };
in
{
  tarballs =
    builtins.mapAttrs (system: files: {
      expr = builtins.listToAttrs (
        map (record: {
          name = record.file;
          value = record.integrity;
        }) (lib.frontend.tarballs system text)
      );
      expected = files;
    }) expected.tarballs
    // {
      needs-a-hash-that-holds = {
        expr = lib.frontend.tarballs "x86_64-linux" (lockOf {
          version = "1.0.0";
          integrity = "sha1-AAAA";
        });
        expectedError = "package-lock.json: @scope/hola: no sha512 integrity; run: invoke fetch";
      };
      needs-paths = {
        expr = lib.frontend.tarballs "x86_64-linux" ''{ "lockfileVersion": 1 }'';
        expectedError = "package-lock.json: lockfileVersion is not 2 or 3; run: invoke fetch";
      };
    };

  packageFiles = {
    has-workspaces-and-linked-folders = {
      expr = lib.frontend.packageFiles "front/end" text;
      expected = expected.files;
    };
    at-the-top = {
      expr = lib.frontend.packageFiles "." (lockOf { });
      expected = [ "package-lock.json" ];
    };
    stays-in-the-service = {
      expr = lib.frontend.packageFiles "." text;
      expectedError = "package-lock.json: ./../shared/package.json is outside of the service's folder";
    };
  };

  settings = builtins.listToAttrs (
    map (given: {
      name = "of-${builtins.hashString "md5" given}";
      value = {
        expr = lib.frontend.settings given;
        expected = expected.settings.${given};
      };
    }) (builtins.attrNames expected.settings)
  );
}
