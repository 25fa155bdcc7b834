"""The chart of a service: thin, with Estiba's own as its dependency, and values rendered from `[tool.estiba]`."""
