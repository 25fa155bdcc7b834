"""The pages."""

from django.apps import apps
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.templatetags.static import static

from {{ cookiecutter.project_slug }}.models import Entry

SHOWN = 10


def index(request: HttpRequest) -> HttpResponse:
    """Show the newest entries."""
    name = apps.get_app_config("{{ cookiecutter.project_slug }}").verbose_name
    description = settings.SPECTACULAR_SETTINGS["DESCRIPTION"]
    entries = Entry.objects.all()[:SHOWN]
    return render(request, "index.html", {"name": name, "description": description, "entries": entries})


def icon(_request: HttpRequest) -> HttpResponse:
    """Say where the icon is."""
    return redirect(static("site/icon.svg"))
