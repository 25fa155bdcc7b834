"""Downloads of locked artifacts into the Nix store."""
