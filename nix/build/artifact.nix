{ storeName, system }:
/**
  A locked file that the fetch stage has put into the store. A fixed-output derivation has the path of its name, mode
  and hash, so the file is found without being fetched; where it is not, building it says what to run.

  # Type
  ```
  artifact :: { file, sha256 | integrity, … } -> Derivation
  ```

  # Arguments
  - record: of a lock's `debs` or `distributions`, or of `lib.frontend.tarballs`, whose hash is a SHA-512
*/
record:
derivation {
  name = storeName.of record.file;
  inherit system;
  inherit (record) file;
  builder = "/bin/sh";
  args = [
    "-c"
    "echo \"artifact missing from the store: $file; run: invoke fetch\" >&2; exit 1"
  ];
  outputHash = record.integrity or record.sha256;
  outputHashAlgo = if record ? integrity then "sha512" else "sha256";
  outputHashMode = "flat";
  preferLocalBuild = true;
}
