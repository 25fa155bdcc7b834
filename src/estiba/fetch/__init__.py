"""What a lock names, brought into the Nix store."""
