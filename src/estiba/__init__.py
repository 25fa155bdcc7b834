"""Reproducible builds and safe releases for Django services."""

from typing import Final

__version__: Final = "0.1.0"
