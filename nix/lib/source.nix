let
  # One regular expression per path component or whole relative path. Version control never belongs to a service.
  always = [ "(.*/)?\\.git(/.*)?" ];
  # Editors' and tools' leftovers, local environments and secrets do not either, unless the service names them.
  leftovers = [
    "(.*/)?\\.(hg|svn|venv|tox|nox|mypy_cache|ruff_cache|pytest_cache|idea|vscode|direnv|estiba)"
    "(.*/)?(__pycache__|node_modules|venv)"
    "(.*/)?[^/]*\\.py[co]"
    "(.*/)?\\.env(\\..*)?"
    "(.*/)?\\.coverage(\\..*)?"
    "(.*/)?\\.DS_Store"
    "(.*/)?\\.npmrc"
    "(.*/)?[^/]*\\.(pem|key)"
    "result-.*"
  ];
  # What builds the image is not part of it.
  buildFiles = [
    "\\.(ci|github|gitlab|gitignore|gitattributes|gitlab-ci\\.yml|gitmodules|dockerignore|editorconfig|envrc)"
    "flake\\.(nix|lock)"
    "(estiba|template)\\.lock"
    "requirements-(dev-)?lock\\.txt"
    "values\\.(dev|staging|prod)\\.yaml"
    "(Dockerfile|docker-compose[^/]*|Makefile|Tiltfile)"
    "(README|RUNBOOK|CHANGELOG|CONTRIBUTING)[^/]*"
  ];

  # Folders of CI systems: Estiba is a submodule in one of them.
  ci = [
    ".ci/**"
    ".github/**"
    ".gitlab/**"
  ];

  # Where git says that files of other repositories are, relative to a folder: it says so at the top of its own one,
  # and a service may be below.
  submodules =
    src:
    let
      inStore = builtins.match "(${builtins.storeDir}/[^/]+)/(.+)" (toString src);
      place = builtins.elemAt inStore 1;
      listed =
        if inStore == null then
          modulesIn src
        else
          builtins.concatMap (folder: below folder (modulesIn (/. + "${builtins.head inStore}/${folder}"))) (
            upwards place ++ [ "" ]
          );
      below =
        folder:
        let
          start = if folder == "" then 0 else builtins.stringLength folder + 1;
          prefix = builtins.substring start (-1) "${place}/";
          size = builtins.stringLength prefix;
        in
        paths:
        map (builtins.substring size (-1)) (builtins.filter (path: builtins.substring 0 size path == prefix) paths);
    in
    listed;

  # What no repository of a service should have, of what is at its top; see estiba.build.copied, which looks at all.
  private =
    src:
    let
      entries = builtins.readDir src;
      isPrivate =
        name:
        if entries.${name} == "directory" then
          matchesAny [ "\\.venv|venv|node_modules" ] name || builtins.pathExists (src + "/${name}/pyvenv.cfg")
        else
          matchesAny [
            "\\.env(\\..*)?"
            ".+\\.(env|sqlite3?|p12|pfx|jks|keystore)"
            "id_(rsa|dsa|ecdsa|ed25519)|\\.netrc|\\.pgpass|\\.git-credentials|\\.pypirc"
          ] name
          && !matchesAny [ "\\.env\\.(example|sample|template|dist).*" ] name;
    in
    builtins.filter isPrivate (builtins.attrNames entries);

  modulesIn =
    top:
    let
      file = top + "/.gitmodules";
      lines = builtins.split "\n" (builtins.readFile file);
      # The path may be quoted.
      find = builtins.match "[[:space:]]*path[[:space:]]*=[[:space:]]*\"?(.*[^\"[:space:]])\"?[[:space:]]*";
    in
    if builtins.pathExists file then
      builtins.concatMap (found: if found == null then [ ] else found) (
        map find (builtins.filter builtins.isString lines)
      )
    else
      [ ];

  # Folders that tasks write, unless the service has a Python package of that name.
  unlessPackage = src: builtins.filter (name: !builtins.pathExists (src + "/${name}/__init__.py"));

  # All that is left out by its name, with what is below it; Nix's own link is called `result`.
  never = src: always ++ map (pattern: "(${pattern})(/.*)?") (leftovers ++ unlessPackage src [ "result" ]);

  # Whether globs name a path, or a folder that is on the way to one. `**` may be anything, so it leads into no folder.
  named =
    globs:
    let
      paths = map fromGlob globs;
      folders = map plainGlob (
        builtins.filter (folder: builtins.match ".*\\*\\*.*" folder == null) (
          builtins.concatMap (glob: upwards (dirOf glob)) globs
        )
      );
    in
    kind: relative: matchesAny paths relative || kind == "directory" && matchesAny folders relative;

  # A tasks.py that does not import Estiba's is a module of the service, such as Celery's.
  ownTasks =
    src:
    let
      file = src + "/tasks.py";
    in
    if builtins.pathExists file && builtins.match ".*estiba\\.tasks.*" (builtins.readFile file) != null then
      [ "tasks\\.py" ]
    else
      [ ];

  escaped = builtins.replaceStrings [ "." "+" "(" ")" "[" "]" "{" "}" "^" "$" "|" "\\" ] [
    "\\."
    "\\+"
    "\\("
    "\\)"
    "\\["
    "\\]"
    "\\{"
    "\\}"
    "\\^"
    "\\$"
    "\\|"
    "\\\\"
  ];

  # All that is in a folder is the folder itself: an empty one is not worth keeping.
  fromGlob =
    glob:
    let
      folder = builtins.match "(.+)/\\*\\*" glob;
    in
    if folder == null then plainGlob glob else "${plainGlob (builtins.head folder)}(/.*)?";

  plainGlob =
    glob:
    builtins.replaceStrings [ "//star//" ] [ ".*" ] (
      builtins.replaceStrings [ "**" "*" "?" ] [ "//star//" "[^/]*" "[^/]" ] (escaped glob)
    );

  # A path and the folders that it is in.
  upwards = path: if path == "." then [ ] else [ path ] ++ upwards (dirOf path);

  matchesAny = patterns: relative: builtins.any (pattern: builtins.match pattern relative != null) patterns;

  filtered =
    isLeftOut: name: src:
    let
      root = builtins.unsafeDiscardStringContext (toString src) + "/";
      start = builtins.stringLength root;
      # In a chroot store the filter sees where the source really is: the store's folder, then the path as we know it.
      skip =
        path:
        if builtins.substring 0 start path == root then
          start
        else
          builtins.stringLength (builtins.head (builtins.split (escaped root) path)) + start;
    in
    builtins.path {
      inherit name;
      path = src;
      filter = path: kind: !isLeftOut kind (builtins.substring (skip path) (-1) path);
    };
in
{
  /**
    A glob as the regular expression of `builtins.match`: `*` and `?` stay within a folder, `**` does not, and at the
    end it stands for the folder too.

    # Example
    ```nix
    source.globRegex "docs/*.md"
    => "docs/[^/]*\\.md"
    ```

    # Type
    ```
    globRegex :: String -> String
    ```

    # Arguments
    - glob: relative to the service's folder
  */
  globRegex = fromGlob;

  /**
    The service's folder itself; refused if git has but the names of some of its files, those of submodules, and if Nix
    has copied what git would not have, since there is no git repository.

    # Type
    ```
    complete :: { src :: Path | Flake, exclude :: [String], include :: [String] } -> Path | Flake
    ```

    # Arguments
    - src: the service's folder
    - exclude: globs relative to it, of what is left out
    - include: globs of what belongs to the service in spite of its name
  */
  complete =
    {
      src,
      exclude,
      include,
    }:
    let
      isEmpty = path: !builtins.pathExists (src + "/${path}") || builtins.readDir (src + "/${path}") == { };
      lacking = builtins.filter (
        path: isEmpty path && !matchesAny (map fromGlob (exclude ++ ci)) path
      ) (submodules src);
      # Of a folder alone Nix knows neither a commit nor whether it has submodules.
      isCopied = builtins.isAttrs src && !src ? rev && !src ? submodules;
      copied = if isCopied then builtins.filter (name: !matchesAny (map fromGlob include) name) (private src) else [ ];
    in
    # The sentences of estiba.build.copied and estiba.build.tracked.
    if copied != [ ] then
      throw "the folder is in no git repository, so Nix has copied all of it into its store, with ${builtins.concatStringsSep ", " copied}; name them in .gitignore, then git init && git add -A"
    else if lacking == [ ] then
      src
    else
      throw "${builtins.concatStringsSep ", " lacking}: a build sees no files of a git submodule; require it as a git+https://…@COMMIT package, copy it, or exclude it in [tool.estiba]";

  /**
    The files of a service that go into its image, as a store path that depends on their content alone.

    # Type
    ```
    application :: { src :: Path, exclude :: [String], include :: [String] } -> Path
    ```

    # Arguments
    - src: the service's folder
    - exclude: globs relative to it
    - include: globs of what belongs to the service in spite of its name, such as a change log that settings read; what
      `exclude` names stays out
  */
  application =
    {
      src,
      exclude,
      include,
    }:
    let
      ours = unlessPackage src [
        "helm"
        "reports"
      ];
    in
    filtered (
      kind: relative:
      matchesAny (always ++ map fromGlob exclude) relative
      || matchesAny (never src ++ buildFiles ++ ours ++ ownTasks src) relative && !named include kind relative
    ) "application" src;

  /**
    The files of a package that a folder of the service holds, as a store path that depends on their content alone.

    # Type
    ```
    package :: { src :: Path, path :: String } -> Path
    ```

    # Arguments
    - src: the service's folder
    - path: of the package, relative to it
  */
  package =
    { src, path }:
    let
      built = [ "build|dist|(src/)?[^/]*\\.egg-info" ];
    in
    filtered (_: matchesAny (never src ++ built)) "package" (src + "/${path}");

  /**
    Some files of a service, as a store path that depends on their content alone.

    # Type
    ```
    only :: String -> [String] -> Path -> Path
    ```

    # Arguments
    - name: of the store path
    - files: their paths relative to the service's folder
    - src: the service's folder
  */
  only =
    name: files:
    let
      wanted = builtins.listToAttrs (
        map (path: {
          name = path;
          value = null;
        }) (builtins.concatMap upwards files)
      );
    in
    filtered (_: relative: !(wanted ? ${relative})) name;

  /**
    The files of the folders `LC_MESSAGES` that have a message catalogue, `*.po`, without a compiled one beside it.

    # Type
    ```
    catalogues :: Path -> [String]
    ```

    # Arguments
    - src: the folder to look in; the result is relative to it
  */
  catalogues =
    src:
    let
      look =
        folder:
        let
          entries = builtins.readDir (src + "/${folder}");
          names = builtins.attrNames entries;
          files = builtins.filter (name: entries.${name} != "directory") names;
          isUncompiled =
            name:
            let
              stem = builtins.match "(.+)\\.po" name;
            in
            stem != null && !entries ? "${builtins.head stem}.mo";
        in
        builtins.concatMap (name: if entries.${name} == "directory" then look "${folder}${name}/" else [ ]) names
        ++ (
          if builtins.match "(.*/)?LC_MESSAGES/" folder != null && builtins.any isUncompiled files then
            map (name: "${folder}${name}") files
          else
            [ ]
        );
    in
    look "";

  /**
    The files of a service that its checks see: all but leftovers, secrets, and its chart with the values.

    # Type
    ```
    checked :: { src :: Path, include :: [String] } -> Path
    ```

    # Arguments
    - src: the service's folder
    - include: globs of leftovers and secrets that belong to the service
  */
  checked =
    { src, include }:
    let
      patterns = [
        "flake\\.(nix|lock)"
        "estiba\\.lock"
        # They name the image that was built: what was checked before must not be checked again for that.
        "values\\.(dev|staging|prod)\\.yaml"
      ];
      ours = unlessPackage src [
        "helm"
        "reports"
      ];
    in
    filtered (
      kind: relative:
      matchesAny (always ++ patterns ++ ours) relative || matchesAny (never src) relative && !named include kind relative
    ) "checked" src;
}
