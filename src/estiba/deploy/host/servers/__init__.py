"""Servers of a host target: PostgreSQL, Redis and nginx."""
