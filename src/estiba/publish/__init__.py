"""Handing an image to others: to a registry, or to a Docker engine."""
