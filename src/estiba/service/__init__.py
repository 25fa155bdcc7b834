"""A service as its own files describe it: settings, requirements, Django's modules, environment variables."""
