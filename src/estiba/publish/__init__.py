"""Publication of an image: push to a registry, load into a Docker engine."""
