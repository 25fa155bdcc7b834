"""The application's entry in Django's registry."""

from django.apps import AppConfig


class CachesConfig(AppConfig):
    """Binary caches."""

    name = "caches"
    verbose_name = "Binary caches"
