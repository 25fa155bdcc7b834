"""Resolve a service's Debian packages and Python distributions, lock them, and fetch what the lock names."""
