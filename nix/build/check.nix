{ builder }:
{
  /**
    The outcome of a service's checks, whether they passed or not: logs, reports and `result.json`. Its inputs are the
    service's files and its environment, so what has been checked is not checked again.

    # Type
    ```
    results :: { tree, env, source, catalogues, prepared, static, manage, test, level, environment, override } ->
      Derivation
    ```

    # Arguments
    - tree: a Debian root with the service's packages, PostgreSQL and Redis
    - env: the Python environment with the distributions for testing
    - source: the service's files, see `lib.source.checked`
    - catalogues: its compiled message catalogues, or null
    - prepared: the service's files in the image, where its own commands have worked on them, or null
    - static: the collected static files, or null
    - manage: path of manage.py in them
    - test: the command that runs the tests
    - level: the lowest level of Django's system checks that fails
    - environment: the environment variables of every program
    - override: those that the service sets itself, which beat the addresses of PostgreSQL and Redis
  */
  results =
    {
      tree,
      env,
      source,
      catalogues,
      prepared,
      static,
      manage,
      test,
      level,
      environment,
      override,
    }:
    builder "check" "check-results" (
      {
        inherit
          tree
          source
          static
          manage
          test
          level
          environment
          override
          ;
        frame = env;
      }
      // (if prepared == null then { } else { inherit prepared; })
      // (if catalogues == null then { } else { inherit catalogues; })
    );

  /**
    The results again where every check passed; where one failed, building this fails with the end of its log.

    # Type
    ```
    verdict :: Derivation -> Derivation
    ```

    # Arguments
    - results: as `results` makes them
  */
  verdict = results: builder "verdict" "check" { inherit results; };
}
