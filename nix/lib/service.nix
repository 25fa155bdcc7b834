{ platform }:
let
  defaults = {
    python = "3.13";
    platforms = [
      "aarch64-linux"
      "x86_64-linux"
    ];
    asgi = null;
    build-constraints = [ ];
    chart = { };
    ci = { };
    debian = [ ];
    debian-build = [ ];
    manage = "manage.py";
    missing-libraries = { };
    settings = null;
    wsgi = null;
    configuration = null;
    static = true;
    prepare = [ ];
    processes = { };
    persist = [ ];
    compression = "zstd";
    test-command = [ "pytest" ];
    check-level = "WARNING";
    exclude = [ ];
    extras = [ ];
    include = [ ];
    groups = { };
    env = { };
    frontend = null;
    shell-env = { };
    pockets = [ ];
    postgresql = { };
    release = { };
    resolver = "pip-tools";
    targets = { };
  };

  # As estiba.service.project says it, too.
  isCommands =
    value:
    builtins.isList value
    && builtins.all (
      words: builtins.isList words && words != [ ] && builtins.all (word: builtins.isString word && word != "") words
    ) value;

  compressions = [
    "gzip"
    "zstd"
  ];

  # manage.py names the settings in one call or assignment. estiba.service.django reads the same; tests/nix/services.json holds both to it.
  settingsOf =
    src: file:
    let
      found = builtins.match ".*DJANGO_SETTINGS_MODULE[\"'](]?[[:space:]]*[,=])[[:space:]]*[\"']([A-Za-z0-9_.]+)[\"'].*" (
        builtins.readFile (src + "/${file}")
      );
    in
    if found == null then
      throw "${file} does not name a settings module; set [tool.estiba] settings in pyproject.toml"
    else
      builtins.elemAt found 1;

  # django-configurations: the class of the settings. The service runs by its WSGI module, which names it for production.
  configurationOf =
    src: manage: application:
    let
      module = builtins.head (builtins.match "([^:]*)(:.*)?" application);
      files = builtins.filter (file: builtins.pathExists (src + "/${file}")) [
        "${builtins.dirOf manage}/${dots module}.py"
        manage
      ];
      find =
        file:
        builtins.match ".*DJANGO_CONFIGURATION[\"'](]?[[:space:]]*[,=])[[:space:]]*[\"']([A-Za-z0-9_]+)[\"'].*" (
          builtins.readFile (src + "/${file}")
        );
      found = builtins.filter (match: match != null) (map find files);
    in
    if found == [ ] then null else builtins.elemAt (builtins.head found) 1;

  # A constant of the settings such as WSGI_APPLICATION, or of the modules that they import everything from, or null.
  applicationOf =
    src: manage: name: settings:
    let
      find =
        seen: module:
        let
          place = "/${beside manage}${dots module}";
          isPackage = builtins.pathExists (src + "${place}/__init__.py");
          file = src + (if isPackage then "${place}/__init__.py" else "${place}.py");
          text = builtins.readFile file;
          found = builtins.match "(.*\n)?${name} *= *[\"']([A-Za-z0-9_.]+)\\.([A-Za-z0-9_]+)[\"'].*" text;
          further = builtins.filter (one: !builtins.elem one seen) (
            starImports (if isPackage then module else packageOf module) text
          );
        in
        if !(isPackage || builtins.pathExists file) then
          null
        else if found != null then
          "${builtins.elemAt found 1}:${builtins.elemAt found 2}"
        else
          first (map (find (seen ++ [ module ])) further);
    in
    find [ ] settings;

  first =
    values:
    let
      found = builtins.filter (value: value != null) values;
    in
    if found == [ ] then null else builtins.head found;

  # The modules that the text of a module of a package imports everything from.
  starImports =
    package: text:
    let
      matches = builtins.filter builtins.isList (
        builtins.split "(^|\n)from +(\\.*)([A-Za-z0-9_.]*) +import +[*]" text
      );
      resolve =
        match:
        let
          level = builtins.stringLength (builtins.elemAt match 1);
          module = builtins.elemAt match 2;
          above = builtins.foldl' (name: _: packageOf name) package (builtins.genList (at: at) (level - 1));
        in
        if level == 0 then
          module
        else
          builtins.concatStringsSep "." (builtins.filter (name: name != "") [ above module ]);
    in
    map resolve matches;

  packageOf = module: if builtins.match ".*\\..*" module == null then "" else parentOf module;

  # Modules are looked up beside manage.py.
  beside = manage: if dirOf manage == "." then "" else "${dirOf manage}/";

  parentOf = module: builtins.head (builtins.match "(.*)\\.[^.]*" module);

  # config.settings and config.settings.production both belong to config.wsgi, and to config.asgi.
  moduleOf =
    src: manage: settings: name:
    let
      candidates = builtins.filter (module: builtins.pathExists (src + "/${beside manage}${dots module}.py")) (
        map (package: "${package}.${name}") (ancestors settings) ++ [ name ]
      );
    in
    if candidates == [ ] then null else "${builtins.head candidates}:application";

  # PEP 503.
  normalised =
    name:
    let
      parts = builtins.filter builtins.isString (builtins.split "[-_.]+" name);
    in
    lowercase (builtins.concatStringsSep "-" parts);

  lowercase =
    let
      characters = text: map (at: builtins.substring at 1 text) (builtins.genList (at: at) 26);
    in
    builtins.replaceStrings (characters "ABCDEFGHIJKLMNOPQRSTUVWXYZ") (characters "abcdefghijklmnopqrstuvwxyz");

  dots = builtins.replaceStrings [ "." ] [ "/" ];

  ancestors =
    module:
    if builtins.match ".*\\..*" module == null then
      [ ]
    else
      [ (parentOf module) ] ++ ancestors (parentOf module);
in
{
  /**
    The settings of a service: `[project]` and `[tool.estiba]` of its `pyproject.toml`, with defaults.

    # Type
    ```
    load :: Path -> { name, version, settings, configuration, wsgi, asgi, isAsgi, manage, platforms, static, compression, … }
    ```

    # Arguments
    - src: the service's folder
  */
  load =
    src:
    let
      file = src + "/pyproject.toml";
      pyproject = if builtins.pathExists file then builtins.fromTOML (builtins.readFile file) else { };
      given = pyproject.tool.estiba or { };
      unknown = builtins.attrNames (removeAttrs given (builtins.attrNames defaults));
      merged = defaults // given;
      settings =
        if merged.settings != null then merged.settings else settingsOf src merged.manage;
      named = name: applicationOf src merged.manage name settings;
      wsgi = first [
        merged.wsgi
        (named "WSGI_APPLICATION")
        (moduleOf src merged.manage settings "wsgi")
      ];
      # Who names an ASGI application, as Channels wants it, counts on that one; every new project has an asgi.py.
      namedAsgi = first [
        merged.asgi
        (named "ASGI_APPLICATION")
      ];
      asgi = first [
        namedAsgi
        (moduleOf src merged.manage settings "asgi")
      ];
      project = pyproject.project or { };
    in
    if unknown != [ ] then
      throw "pyproject.toml: unknown keys in [tool.estiba]: ${toString unknown}; run: invoke lock"
    else if !builtins.elem merged.compression compressions then
      throw "pyproject.toml: [tool.estiba] compression is ${merged.compression}; use one of ${toString compressions}"
    else if !isCommands merged.prepare then
      throw "pyproject.toml: [tool.estiba] prepare must be a list of commands, such as [['compilescss']]; run: invoke lock"
    else
      merged
      // {
        inherit settings asgi;
        # Folders of the service's own count from where it is.
        persist = map (
          folder: if builtins.substring 0 1 folder == "/" then folder else "/app/${folder}"
        ) merged.persist;
        wsgi =
          if wsgi == null && asgi == null then
            throw "no wsgi.py beside the settings ${settings}; set [tool.estiba] wsgi in pyproject.toml"
          else
            wsgi;
        isAsgi = namedAsgi != null || (wsgi == null && asgi != null);
        # The folder's name differs from clone to clone, and so would the image's digest.
        name = normalised (project.name or "service");
        version = project.version or "0";
        source = project.urls.Source or project.urls.Repository or null;
        licenses = if builtins.isString (project.license or null) then project.license else null;
        frontend =
          if merged.frontend == null then
            null
          else
            {
              folder = ".";
              script = "build";
            }
            // merged.frontend;
        configuration =
          if merged.configuration != null then
            merged.configuration
          else
            configurationOf src merged.manage (first [ wsgi asgi ]);
        platforms = map (name: builtins.seq (platform.of name) name) merged.platforms;
      };
}
