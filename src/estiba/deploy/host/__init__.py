"""Targets of kind `host`: one machine, with processes under runit, servers from the Nix store, and a state folder."""
