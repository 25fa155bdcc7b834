"""The pages."""

from django.apps import apps
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from {{ cookiecutter.project_slug }}.models import Entry

SHOWN = 10


def index(request: HttpRequest) -> HttpResponse:
    """Show the newest entries."""
    name = apps.get_app_config("{{ cookiecutter.project_slug }}").verbose_name
    return render(request, "index.html", {"name": name, "entries": Entry.objects.all()[:SHOWN]})
