"""The application's entry in Django's registry."""

from django.apps import AppConfig

from config import extras


class ServiceConfig(AppConfig):
    """{{ cookiecutter.project_name }}."""

    name = "{{ cookiecutter.project_slug }}"
    verbose_name = "{{ cookiecutter.project_name }}"

    def ready(self) -> None:
        """Start what needs the settings."""
        from config.settings import env

        extras.start_tracing(env)
