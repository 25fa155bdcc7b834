"""Targets with `ssh`: the machine of a `host` target is another one, and its commands run there."""
