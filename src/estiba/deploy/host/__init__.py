"""Targets that are one machine: processes under runit, servers from the release, revisions in a folder."""
