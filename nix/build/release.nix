{ builder }:
{
  /**
    A service's migrations as JSON: the heads of each app, and what each takes away from the code before it.

    # Type
    ```
    migrations :: { compiler, application, runtime, tree, frame, environment, persist } -> Derivation
    ```

    # Arguments
    - compiler: see `python.nix`
    - application: the service's own files, see `django.nix`
    - runtime: what every image has, see `django.runtimeFiles`
    - tree: the unpacked Debian root to list them in
    - frame: the Python environment
    - environment: the variables that the settings see
    - persist: places of the service's data
  */
  migrations =
    {
      compiler,
      application,
      runtime,
      tree,
      frame,
      environment,
      persist,
    }:
    builder "migrations" "migrations.json" {
      inherit
        compiler
        application
        runtime
        tree
        frame
        environment
        persist
        ;
    };

  /**
    The release manifest: what was built of a commit, and all that a deployment reads.

    # Type
    ```
    manifest :: { service, lock, revision, migrations, static, image, host } -> Derivation
    ```

    # Arguments
    - service: its settings, see `lib.service.load`
    - lock: the digest of its lock
    - revision: the commit, or an empty string
    - migrations: see above
    - static: its collected static files, or null
    - image: the OCI layout, or null for targets that take none
    - host: the release for one machine, see `host.nix`, or null for targets that take none
  */
  manifest =
    {
      service,
      lock,
      revision,
      migrations,
      static,
      image,
      host,
    }:
    builder "release_manifest" "release" {
      inherit
        lock
        revision
        migrations
        static
        image
        host
        ;
      inherit (service) version;
      service = service.name;
    };
}
