"""Verification that an image is reproducible: another build gives the same bytes (reproducible-builds.org)."""
