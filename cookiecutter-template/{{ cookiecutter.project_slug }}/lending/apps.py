"""The application's entry in Django's registry."""

from django.apps import AppConfig


class LendingConfig(AppConfig):
    """Lending."""

    name = "lending"

    def ready(self) -> None:
        """Watch the models."""
        from lending import catalogue  # noqa: F401 - connects its receivers
