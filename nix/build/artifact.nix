{ storeName, system }:
/**
  A locked file that the fetch stage has put into the store. A fixed-output derivation has the path of its name, mode
  and hash, so the file is found without being fetched; where it is not, building it says what to run.

  # Type
  ```
  artifact :: { file, sha256, … } -> Derivation
  ```

  # Arguments
  - record: of a lock's `debs` or `distributions`
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
  outputHash = record.sha256;
  outputHashAlgo = "sha256";
  outputHashMode = "flat";
  preferLocalBuild = true;
}
