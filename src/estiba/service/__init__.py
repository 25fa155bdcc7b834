"""A Django service as its files describe it: settings, requirements, modules, environment variables."""
