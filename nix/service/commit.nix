/**
  The commit of a flake source, as `{ revision, created }`; both are constants for a plain folder, whose times differ
  from machine to machine.

  # Example
  ```nix
  import ./commit.nix { rev = "0d1d7fc32d89c8b2e5d2dcd6b0e2b0d5e0a6f3f1"; lastModified = 1700000000; }
  => { revision = "0d1d…"; created = "2023-11-14T22:13:20Z"; }
  ```

  # Type
  ```
  Path | Flake -> { revision :: String, created :: String }
  ```

  # Arguments
  - src: the service's folder or its flake
*/
src:
let
  known = builtins.isAttrs src && (src ? rev || src ? dirtyRev);
  # lastModifiedDate is YYYYMMDDhhmmss in UTC.
  date = src.lastModifiedDate;
  part = start: length: builtins.substring start length date;
in
{
  revision = if known then src.rev or src.dirtyRev else "";
  created =
    if known then
      "${part 0 4}-${part 4 2}-${part 6 2}T${part 8 2}:${part 10 2}:${part 12 2}Z"
    else
      "1970-01-01T00:00:00Z";
}
