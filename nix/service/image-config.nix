/**
  The `config` object of a service's images (OCI image specification, "Image Configuration").

  # Type
  ```
  Service -> AttrSet
  ```

  # Arguments
  - service: see `lib.service.load`
*/
service: {
  User = "10001:10001";
  WorkingDir = "/app";
  Entrypoint = [
    "/opt/venv/bin/python"
    "/opt/estiba/entrypoint.py"
  ];
  Cmd = [ "web" ];
  ExposedPorts."8000/tcp" = { };
  StopSignal = "SIGTERM";
  Env = [
    "PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin"
    "LANG=C.UTF-8"
    "HOME=/tmp"
    "PYTHONUNBUFFERED=1"
    "PYTHONDONTWRITEBYTECODE=1"
    "DJANGO_SETTINGS_MODULE=${service.settings}"
    "ESTIBA_WSGI=${service.wsgi}"
    "ESTIBA_MANAGE=${service.manage}"
  ]
  ++ (
    if service.configuration == null then
      [ ]
    else
      [ "DJANGO_CONFIGURATION=${service.configuration}" ]
  );
}
