"""Tests run with the settings of a build and PostgreSQL, which `invoke check` brings."""

import os
from pathlib import Path

import django
import pytest

os.environ.setdefault("ENVIRONMENT", "build")
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from tests import nars  # noqa: E402 - its models need the settings


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, settings: pytest.FixtureRequest) -> Path:
    """Give each test a folder of NARs of its own."""
    settings.NAR_FOLDER = tmp_path / "data"
    settings.SECURE_SSL_REDIRECT = False
    return settings.NAR_FOLDER


@pytest.fixture
def place(db: None) -> nars.Place:
    """Return a public cache with a token that may push."""
    return nars.open_place(public=True)


@pytest.fixture
def private(db: None) -> nars.Place:
    """Return a private cache with a token that may push."""
    return nars.open_place("secret")
