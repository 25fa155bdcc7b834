{ builder }:
{
  /**
    Bills of materials of one platform's image.

    # Type
    ```
    sbom :: { name, version, platform, suite, distribution, debs, distributions, descriptions } -> Derivation
    ```

    # Arguments
    - name: of the service
    - version: of the service
    - platform: a Nix system
    - suite: Debian's release name
    - distribution: name and version where it is another distribution than Debian, such as `ubuntu-24.04`
    - debs: records of the lock
    - distributions: records of the lock
    - descriptions: unpacked wheels by the distribution's name
  */
  sbom =
    {
      name,
      version,
      platform,
      suite,
      distribution,
      debs,
      distributions,
      descriptions,
    }:
    builder "sbom" "sbom-${platform}" {
      inherit
        version
        platform
        suite
        distribution
        debs
        distributions
        descriptions
        ;
      service = name;
    };

  /**
    The OCI image layout: one index, one image per platform.

    # Type
    ```
    layout :: { reference, created, config, annotations, platforms } -> Derivation
    ```

    # Arguments
    - reference: `name:version`, the layout's own name for the image
    - created: RFC 3339, the commit's time
    - config: the `config` object of every platform's image configuration
    - annotations: of manifests and index, and the configuration's labels
    - platforms: `{ name, oci, layers, sbom }` of each
  */
  layout =
    {
      reference,
      created,
      config,
      annotations,
      platforms,
    }:
    builder "image" "image" {
      inherit
        reference
        created
        config
        annotations
        platforms
        ;
    };
}
