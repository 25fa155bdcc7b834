"""Debian packages: mirrors, resolution with apt, download, contents."""
