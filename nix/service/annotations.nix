/**
  The annotations of a service's images (OCI image specification, "Annotations").

  # Type
  ```
  { service, lockDigest, commit } -> { String = String }
  ```

  # Arguments
  - service: its settings
  - lockDigest: digest of the lock file
  - commit: `{ revision, created }`
*/
{
  service,
  lockDigest,
  commit,
}:
let
  known = {
    "io.estiba.lock.digest" = lockDigest;
    "io.estiba.version" = import ../version.nix;
    "org.opencontainers.image.created" = commit.created;
    "org.opencontainers.image.licenses" = service.licenses;
    "org.opencontainers.image.revision" = if commit.revision == "" then null else commit.revision;
    "org.opencontainers.image.source" = service.source;
    "org.opencontainers.image.title" = service.name;
    "org.opencontainers.image.version" = service.version;
  };
in
removeAttrs known (builtins.filter (name: known.${name} == null) (builtins.attrNames known))
