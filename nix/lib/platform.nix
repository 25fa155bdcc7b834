let
  table = {
    x86_64-linux = {
      debian = "amd64";
      node = "x64";
      oci = {
        architecture = "amd64";
        os = "linux";
      };
      triplet = "x86_64-linux-gnu";
      loader = "usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2";
    };
    aarch64-linux = {
      debian = "arm64";
      node = "arm64";
      oci = {
        architecture = "arm64";
        os = "linux";
        variant = "v8";
      };
      triplet = "aarch64-linux-gnu";
      loader = "usr/lib/aarch64-linux-gnu/ld-linux-aarch64.so.1";
    };
  };
in
{
  /**
    The Nix systems that Estiba knows.

    # Type
    ```
    names :: [String]
    ```
  */
  names = builtins.attrNames table;

  /**
    What a Nix system is called elsewhere.

    # Example
    ```nix
    (platform.of "x86_64-linux").debian
    => "amd64"
    ```

    # Type
    ```
    of :: String -> { debian, node, oci, triplet, loader }
    ```

    # Arguments
    - system: a Nix system, one of `names`
  */
  of =
    system:
    table.${system}
      or (throw "platform ${system} is not supported; use one of ${toString (builtins.attrNames table)}");
}
