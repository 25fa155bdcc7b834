"""Binary caches of Nix: signing keys, push, contents, and their settings in nix.conf."""
