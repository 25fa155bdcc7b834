{
  description = "Reproducible builds and safe releases for Django services";

  outputs =
    { self }:
    let
      estiba = import ./nix;
    in
    {
      lib = { inherit (estiba) mkService; };
    };
}
