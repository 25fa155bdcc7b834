{
  builder,
  python,
  shell,
}:
{
  /**
    A release of a service for one machine without containers: the image's root file system as a list of what is bound
    where, and the servers that a service needs beside it.

    # Type
    ```
    release :: { service, lock, revision, config, compiler, tree, servers, versions, digests, frame, env, application,
      static, processes, supervisor } -> Derivation
    ```

    # Arguments
    - service: its settings, see `lib.service.load`
    - lock: the digest of its lock
    - revision: the commit, or an empty string
    - config: the image's configuration, see `service/image-config.nix`
    - compiler: see `python.nix`; its standard library has bytecode
    - tree: an unpacked Debian root for the service's own programs
    - servers: one with nginx, PostgreSQL and Redis
    - versions: of those three, by name
    - digests: of what each of them runs from, see `lib.lock.programDigest`
    - frame: the entry point and the frame of the Python environment
    - env: the Python environment
    - application: the service's own files
    - static: the collected static files, or null
    - processes: see `lib.processes.plan`
    - supervisor: a folder with `bin/runsvdir` and what it needs
  */
  release =
    {
      service,
      lock,
      revision,
      config,
      compiler,
      tree,
      servers,
      versions,
      digests,
      frame,
      env,
      application,
      static,
      processes,
      supervisor,
    }:
    builder "host" "host" {
      inherit
        lock
        revision
        config
        compiler
        tree
        servers
        versions
        digests
        frame
        env
        application
        static
        processes
        supervisor
        ;
      inherit (service) persist version;
      service = service.name;
      python = "${python}/usr/bin/python3.11";
      shell = "${shell}/bin/busybox";
      starter = ./host/start.sh;
      nginx = ./host/nginx.conf;
      front = ./host/front.conf;
    };
}
