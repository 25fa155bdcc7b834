"""The application's entry in Django's registry."""

from django.apps import AppConfig


class ServiceConfig(AppConfig):
    """{{ cookiecutter.project_name }}."""

    name = "{{ cookiecutter.project_slug }}"
    verbose_name = "{{ cookiecutter.project_name }}"
