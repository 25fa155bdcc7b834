"""Binary caches of Nix: what is stored, who may do what, publication and collection."""
