"""Dependency resolution of a service with apt and pip-tools, and the lock file (docs/lock-format.md)."""
