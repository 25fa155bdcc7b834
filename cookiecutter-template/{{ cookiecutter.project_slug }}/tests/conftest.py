"""Tests run with the settings of a build, PostgreSQL and Redis; `invoke check` brings both."""

import os

import django
import pytest
from django.conf import settings
from django.core.management import call_command

os.environ.setdefault("ENVIRONMENT", "build")
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()


@pytest.fixture(autouse=True, scope="session")
def _static_files(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Collect the static files, whose hashed names the pages use."""
    settings.STATIC_ROOT = str(tmp_path_factory.mktemp("static"))
    call_command("collectstatic", interactive=False, verbosity=0)
