"""Adoption of an existing Django project: static analysis of its settings, and the files that make it a service."""
