"""Formats of Nix's binary caches, without Django: base 32, narinfo, NAR, compression, signatures."""
