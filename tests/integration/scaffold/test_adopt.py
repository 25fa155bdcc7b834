"""A Django project that knows nothing of Estiba: adopted, locked and served without a change of its own files."""

from __future__ import annotations

import json
import urllib.request
from typing import TYPE_CHECKING

import pytest
from tests.djangoproject import lay
from tests.services import harbour, sites

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MANAGE = """\
import os
import sys

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lighthouse.settings")
    execute_from_command_line(sys.argv)
"""
SETTINGS = """\
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent
SECRET_KEY = "django-insecure-and-in-git"
DEBUG = True
ALLOWED_HOSTS = []
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.staticfiles", "lighthouse"]
MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
ROOT_URLCONF = "lighthouse.urls"
WSGI_APPLICATION = "lighthouse.wsgi.application"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "db.sqlite3"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
STATIC_URL = "static/"
"""
URLS = """\
from django.conf import settings
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.http import HttpResponse
from django.urls import path

urlpatterns = [
    path("", lambda _: HttpResponse(f"{connection.vendor} {ContentType.objects.count()} {settings.DEBUG}"))
]
"""
WSGI = """\
import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lighthouse.settings")
application = get_wsgi_application()
"""
FILES = {
    "lighthouse/__init__.py": "",
    "lighthouse/settings.py": SETTINGS,
    "lighthouse/static/lighthouse/page.css": "body { color: teal }\n",
    "lighthouse/urls.py": URLS,
    "lighthouse/wsgi.py": WSGI,
    "manage.py": MANAGE,
    "requirements.txt": "django~=5.2.0\n",
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Adopt the project, lock it and fetch what it needs."""
    folder = lay(tmp_path_factory.mktemp("adopted") / "lighthouse", FILES)
    harbour.invoke(folder.parent, "--search-root", str(harbour.ROOT), "adopt", str(folder))
    for task in ("lock", "fetch"):
        harbour.invoke(folder, task)
    return folder


@pytest.fixture(scope="module")
def port(project: Path) -> Iterator[int]:
    """Deploy it on this machine."""
    with sites.served(project) as found:
        yield found


def test_its_own_files_are_as_before(project: Path) -> None:
    """What was added lies beside them; a second adoption adds nothing."""
    again = json.loads(harbour.invoke(project, "adopt", ".", "--json").stdout)

    assert {name: (project / name).read_text() for name in FILES} == FILES
    assert (again["files"], again["kept"]) == ([], ["flake.nix", "pyproject.toml", "tasks.py"])


def test_it_is_served_from_postgresql(port: int) -> None:
    """It is migrated, answers from the target's database instead of its file, and is not in the mode for debugging."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as answer:
        assert answer.read() == b"postgresql 1 False"
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/static/lighthouse/page.css", timeout=10) as answer:
        assert answer.headers["Content-Type"] == "text/css; charset=utf-8"


def test_page_that_it_does_not_have_is_not_shown(project: Path, port: int) -> None:
    """It is ready because it answers, and only its page is an address to go to."""
    shown = json.loads(harbour.invoke(project, "urls", "--json").stdout)
    status = json.loads(harbour.invoke(project, "status", "--json").stdout)

    assert shown == {"page": f"http://localhost:{port}/"} == status["urls"]
    assert status["ready"]
