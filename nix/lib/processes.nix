let
  # Of the ASGI servers the first that is locked: who has uvicorn beside Channels' daphne wants it for production.
  servers = [
    "uvicorn"
    "daphne"
    "hypercorn"
  ];

  distributionsOfPrograms = servers ++ [
    "celery"
    "gunicorn"
  ];

  commandOf = process: process.command or [ ];
in
{
  /**
    The processes of a service: `[tool.estiba.processes]`, or without that table what its distributions can run.

    # Type
    ```
    plan :: { service, distributions :: [String] } -> { names :: [String], table :: { <name> = { command, … } } }
    ```

    # Arguments
    - service: its settings, see `lib.service.load`
    - distributions: the names of those that its image has

    # Returns
    `names` are commands of the image's entry point, `web` first. `table` is what they are, where that differs from what
    the entry point runs under such a name; the image has it as `ESTIBA_PROCESSES`.
  */
  plan =
    { service, distributions }:
    let
      has = name: builtins.elem name distributions;
      available = builtins.filter has servers;
      web = service.processes.web or { };

      asgi = {
        command =
          if available == [ ] then
            throw "the settings name the ASGI application ${service.asgi}, but no ASGI server is locked; add uvicorn[standard] or daphne to the dependencies and run: invoke lock; or serve WSGI by [tool.estiba.processes] web = {command = ['gunicorn']}"
          else
            [ (builtins.head available) ];
      };

      isDefault = service.processes == { };
      own =
        if service.isAsgi && commandOf web == [ ] then
          { web = asgi // web; }
        else if isDefault then
          { }
        else
          { inherit web; };
      table = service.processes // own;
      names = [ "web" ] ++ (
        if !isDefault then
          builtins.filter (name: name != "web") (builtins.attrNames table)
        else if has "django-rq" then
          [
            "worker"
            "scheduler"
          ]
        else
          [ ]
      );

      missing = builtins.filter (
        name:
        let
          command = programOf name;
        in
        command != [ ] && builtins.elem (builtins.head command) distributionsOfPrograms && !has (builtins.head command)
      ) (builtins.attrNames ({ web = { }; } // table));
      # What the entry point serves by where no command is given.
      programOf =
        name:
        let
          command = commandOf (table.${name} or { });
        in
        if name == "web" && command == [ ] then [ "gunicorn" ] else command;
      program = builtins.head (programOf (builtins.head missing));
    in
    if missing != [ ] then
      throw "the process ${builtins.head missing} runs ${program}, which is not locked; add it to the dependencies and run: invoke lock"
    else
      { inherit names table; };
}
