"""The application's entry in Django's registry."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate

from config import extras


class ServiceConfig(AppConfig):
    """{{ cookiecutter.project_name }}."""

    name = "{{ cookiecutter.project_slug }}"
    verbose_name = "{{ cookiecutter.project_name }}"

    def ready(self) -> None:
        """Start what needs the settings."""
        from config.settings import env
        from {{ cookiecutter.project_slug }}.hypertables import make_hypertables

        post_migrate.connect(make_hypertables)
        extras.start_tracing(env)
