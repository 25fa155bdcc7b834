{ system }:
let
  pins = builtins.fromJSON (builtins.readFile ./seed.json);
  folder =
    let
      found = builtins.filter (record: builtins.elem system record.platforms) pins.folders;
    in
    if found == [ ] then
      throw "there is no seed for ${system}; use x86_64-linux or aarch64-linux"
    else
      builtins.head found;
in
{
  /**
    Records of what no lock resolves: the seed's packages, and wheels that are used for the programs inside.

    # Type
    ```
    pins :: { version, debs, distributions, folders }
    ```
  */
  inherit pins;

  /**
    The static programs that everything else is made with: `bin/busybox` and `bin/bash`. `nixw` puts them into the
    store; a fixed-output derivation has the path of its name, mode and hash, so they are found without being fetched.

    # Type
    ```
    folder :: Derivation
    ```
  */
  folder = derivation {
    inherit (folder) name;
    inherit system;
    builder = "/bin/sh";
    args = [
      "-c"
      "echo 'the seed is missing from the store; run nix through ./nixw of Estiba' >&2; exit 1"
    ];
    outputs = [ "out" ];
    outputHash = folder.sha256;
    outputHashAlgo = "sha256";
    outputHashMode = "recursive";
    preferLocalBuild = true;
  };
}
