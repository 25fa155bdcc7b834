{
  artifact,
  builder,
  debian,
}:
{
  /**
    The root file system with Node.js and npm that front ends are built in, and that `invoke fetch` runs npm in.

    # Type
    ```
    tree :: [Deb] -> Derivation
    ```

    # Arguments
    - debs: records of a lock, of the group `frontend`
  */
  tree =
    debs:
    debian.tree {
      name = "frontend-root";
      inherit debs;
    };

  /**
    The `node_modules` folders that npm makes of a lock, where the service has them.

    # Type
    ```
    modules :: { tree, files, folder, settings, tarballs } -> Derivation
    ```

    # Arguments
    - tree: as `tree` makes it
    - files: the lock and the package.json files, see `lib.frontend.packageFiles`
    - folder: of the front end in them
    - settings: lines of .npmrc, see `lib.frontend.settings`
    - tarballs: records of `lib.frontend.tarballs`
  */
  modules =
    {
      tree,
      files,
      folder,
      settings,
      tarballs,
    }:
    builder "node_modules" "node-modules" {
      inherit
        tree
        files
        folder
        settings
        ;
      tarballs = map (record: {
        inherit (record) integrity;
        path = artifact record;
      }) tarballs;
    };

  /**
    The service's files with what the front end's script writes.

    # Type
    ```
    built :: { tree, modules, folder, script, output, settings, source, application, environment } -> Derivation
    ```

    # Arguments
    - tree, settings: as for `modules`
    - modules: as `modules` makes it
    - folder, script, output: of `[tool.estiba.frontend]`
    - source: the files that the script sees
    - application: the files of the service in the image
    - environment: further variables that the script sees
  */
  built =
    {
      tree,
      modules,
      folder,
      script,
      output,
      settings,
      source,
      application,
      environment,
    }:
    builder "front_end" "front-end" {
      inherit
        tree
        modules
        folder
        script
        output
        settings
        source
        application
        environment
        ;
    };
}
