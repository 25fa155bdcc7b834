{
  description = "A binary cache for Nix";

  # The tasks replace this input by the Estiba that they come with.
  inputs.estiba.url = "flake:estiba";

  outputs = { self, estiba }: estiba.lib.mkService { src = self; };
}
