"""Builds of a service with Nix: image, checks, release, verification of reproducibility."""
