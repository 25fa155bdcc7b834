{ platform }:
let
  modules = "(.*/)?node_modules/(.+)";

  nameOf = path: entry: entry.name or (builtins.elemAt (builtins.match modules path) 1);

  # As npm-install-checks reads the lists `os` and `cpu`: `!` forbids, `any` allows all.
  admits =
    listed: value:
    let
      words = if builtins.isList listed then listed else [ listed ];
      forbids = word: builtins.substring 0 1 word == "!";
    in
    words == [ ]
    || words == [ "any" ]
    || !builtins.elem "!${value}" words && (builtins.elem value words || builtins.all forbids words);

  # Not a workspace, a link or a bundled package.
  hasTarball =
    system: path: entry:
    builtins.match modules path != null
    && !(entry.link or false)
    && !(entry.inBundle or false)
    && admits (entry.os or [ ]) "linux"
    && admits (entry.cpu or [ ]) (platform.of system).node;

  # The word of `integrity` (W3C Subresource Integrity) that Nix takes as a hash, without options; or null.
  hashOf =
    entry:
    let
      found = builtins.match "(.* )?(sha512-[A-Za-z0-9+/]{86}==).*" (entry.integrity or "");
    in
    if found == null then null else builtins.elemAt found 1;

  parse =
    text:
    let
      lock = builtins.fromJSON text;
    in
    if builtins.elem (lock.lockfileVersion or null) [
      2
      3
    ] then
      lock.packages or { }
    else
      throw "package-lock.json: lockfileVersion is not 2 or 3; run: invoke fetch";

  # The settings by which npm decides what it installs, and no other: those may have credentials and hosts in them.
  kept = "[[:space:]]*(engine-strict|force|ignore-scripts|install-strategy|legacy-bundling|legacy-peer-deps|global-style|strict-peer-deps)[[:space:]]*=.*";

  normalise =
    path:
    builtins.concatStringsSep "/" (
      builtins.foldl' (
        parts: part:
        if part == "" || part == "." then
          parts
        else if part != ".." then
          parts ++ [ part ]
        else if parts == [ ] then
          throw "package-lock.json: ${path} is outside of the service's folder"
        else
          dropLast parts
      ) [ ] (builtins.filter builtins.isString (builtins.split "/" path))
    );
  dropLast = list: builtins.genList (builtins.elemAt list) (builtins.length list - 1);
in
{
  /**
    The tarballs of npm packages that a front end is built from on a platform, each once; as
    `estiba.service.frontend.read` has them.

    # Type
    ```
    tarballs :: String -> String -> [{ file :: String, integrity :: String }]
    ```

    # Arguments
    - system: a Nix system, the one that builds
    - text: the content of package-lock.json
  */
  tarballs =
    system: text:
    let
      packages = parse text;
      paths = builtins.filter (path: hasTarball system path packages.${path}) (builtins.attrNames packages);
      recordOf =
        path:
        let
          entry = packages.${path};
          integrity = hashOf entry;
        in
        if integrity == null then
          throw "package-lock.json: ${nameOf path entry}: no sha512 integrity; run: invoke fetch"
        else
          {
            file = "${nameOf path entry}-${entry.version or "0"}.tgz";
            inherit integrity;
          };
    in
    # Copies of a package in several places are one file.
    builtins.attrValues (
      builtins.listToAttrs (
        map (
          path:
          let
            record = recordOf path;
          in
          {
            name = "${record.file} ${record.integrity}";
            value = record;
          }
        ) paths
      )
    );

  /**
    The files from which npm makes `node_modules`, beside the tarballs: the lock, and package.json of the front end and
    of its workspaces.

    # Type
    ```
    packageFiles :: String -> String -> [String]
    ```

    # Arguments
    - folder: of the front end, relative to the service's
    - text: the content of its package-lock.json
  */
  packageFiles =
    folder: text:
    let
      packages = parse text;
      own = builtins.filter (
        path: builtins.match modules path == null && !(packages.${path}.extraneous or false)
      ) (builtins.attrNames packages);
    in
    map normalise ([ "${folder}/package-lock.json" ] ++ map (path: "${folder}/${path}/package.json") own);

  /**
    The lines of an .npmrc that decide what is installed.

    # Type
    ```
    settings :: String -> [String]
    ```

    # Arguments
    - text: its content
  */
  settings =
    text:
    builtins.filter (line: builtins.isString line && builtins.match kept line != null) (
      builtins.split "[\r\n]+" text
    );
}
