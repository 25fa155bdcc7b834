"""Docker engine: load of an image, and a container to try it."""
