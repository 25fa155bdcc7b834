"""Building a service with Nix: its image, its checks, the proof that both come out the same elsewhere."""
