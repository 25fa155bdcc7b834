{ lib }:
{
  names = {
    are-nix-systems = {
      expr = lib.platform.names;
      expected = [
        "aarch64-linux"
        "x86_64-linux"
      ];
    };
  };
  of = {
    translates-to-debian = {
      expr = map (name: (lib.platform.of name).debian) lib.platform.names;
      expected = [
        "arm64"
        "amd64"
      ];
    };
    translates-to-oci = {
      expr = (lib.platform.of "aarch64-linux").oci;
      expected = {
        architecture = "arm64";
        os = "linux";
        variant = "v8";
      };
    };
    refuses-others = {
      expr = lib.platform.of "riscv64-linux";
      expectedError = "platform riscv64-linux is not supported; use one of aarch64-linux x86_64-linux";
    };
  };
}
