"""Packages from git repositories and from folders of the service: their archives, and their metadata."""
