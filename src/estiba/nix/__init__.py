"""Nix: its commands, its log, its store paths."""
