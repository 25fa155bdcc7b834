/**
  The `config` object of a service's images (OCI image specification, "Image Configuration").

  # Type
  ```
  { service, processes } -> AttrSet
  ```

  # Arguments
  - service: see `lib.service.load`
  - processes: see `lib.processes.plan`
*/
{ service, processes }:
let
  variable = name: value: if value == null then [ ] else [ "${name}=${value}" ];
in
{
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
    "ESTIBA_MANAGE=${service.manage}"
  ]
  ++ variable "ESTIBA_WSGI" service.wsgi
  ++ (
    if processes.table == { } then
      [ ]
    else
      variable "ESTIBA_ASGI" service.asgi ++ [ "ESTIBA_PROCESSES=${builtins.toJSON processes.table}" ]
  )
  ++ variable "DJANGO_CONFIGURATION" service.configuration
  # Who collects no files here has another way for them.
  ++ (if service.static then [ ] else [ "ESTIBA_STATIC=0" ]);
}
