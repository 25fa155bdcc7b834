{ platform }:
let
  defaults = {
    python = "3.13";
    platforms = [
      "aarch64-linux"
      "x86_64-linux"
    ];
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
    release = { };
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
    src: manage: wsgi:
    let
      module = builtins.head (builtins.match "([^:]*)(:.*)?" wsgi);
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

  # WSGI_APPLICATION of the settings, as Django writes it, or null.
  applicationOf =
    src: manage: settings:
    let
      files = builtins.filter (file: builtins.pathExists (src + "/${file}")) [
        "${beside manage}${dots settings}.py"
        "${beside manage}${dots settings}/__init__.py"
      ];
      find =
        file:
        builtins.match "(.*\n)?WSGI_APPLICATION *= *[\"']([A-Za-z0-9_.]+)\\.([A-Za-z0-9_]+)[\"'].*" (
          builtins.readFile (src + "/${file}")
        );
      found = builtins.filter (match: match != null) (map find files);
    in
    if found == [ ] then
      null
    else
      "${builtins.elemAt (builtins.head found) 1}:${builtins.elemAt (builtins.head found) 2}";

  # Modules are looked up beside manage.py.
  beside = manage: if dirOf manage == "." then "" else "${dirOf manage}/";

  parentOf = module: builtins.head (builtins.match "(.*)\\.[^.]*" module);

  # config.settings and config.settings.production both belong to config.wsgi.
  wsgiOf =
    src: manage: settings:
    let
      named = applicationOf src manage settings;
      candidates = builtins.filter (module: builtins.pathExists (src + "/${beside manage}${dots module}.py")) (
        map (package: "${package}.wsgi") (ancestors settings) ++ [ "wsgi" ]
      );
    in
    if named != null then
      named
    else if candidates == [ ] then
      throw "no wsgi.py beside the settings ${settings}; set [tool.estiba] wsgi in pyproject.toml"
    else
      "${builtins.head candidates}:application";

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
    load :: Path -> { name, version, settings, configuration, wsgi, manage, platforms, static, compression, … }
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
      wsgi = if merged.wsgi != null then merged.wsgi else wsgiOf src merged.manage settings;
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
        inherit settings;
        # The folder's name differs from clone to clone, and so would the image's digest.
        name = normalised (project.name or "service");
        version = project.version or "0";
        source = project.urls.Source or project.urls.Repository or null;
        licenses = if builtins.isString (project.license or null) then project.license else null;
        inherit wsgi;
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
            configurationOf src merged.manage wsgi;
        platforms = map (name: builtins.seq (platform.of name) name) merged.platforms;
      };
}
