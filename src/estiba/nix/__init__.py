"""Nix: commands, log messages, store paths, substituters."""
