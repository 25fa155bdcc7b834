"""Django projects as users of other tools write them: adopted, locked from their lock, and built without an edit."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.djangoproject import lay
from tests.services import harbour, repositories
from tests.services.locking import load

from estiba.service import project as projects

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MANAGE = """\
import os
import sys

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")
    execute_from_command_line(sys.argv)
"""
WSGI = """\
import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.production")
application = get_wsgi_application()
"""
BASE = """\
import os
from pathlib import Path

import dj_database_url

BASE_DIR = Path(__file__).resolve().parents[2]
SECRET_KEY = os.environ["SECRET_KEY"]
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.staticfiles", "packaging"]
MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
DATABASES = {"default": dj_database_url.config(default="sqlite:///db.sqlite3")}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
PAGE_SIZE = int(os.environ["PAGE_SIZE"])
"""
SITE = {
    "config/__init__.py": "",
    "config/settings/__init__.py": "",
    "config/settings/base.py": BASE,
    "config/settings/local.py": "from .base import *\n\nDEBUG = True\n",
    "config/settings/production.py": "from .base import *\n\nDEBUG = False\nALLOWED_HOSTS = ['*']\n",
    "config/urls.py": "urlpatterns = []\n",
    "config/wsgi.py": WSGI,
    "manage.py": MANAGE,
    # An app with the name of a library that Estiba imports.
    "packaging/__init__.py": "",
    "packaging/static/packaging/box.css": "p { color: teal }\n",
}
POETRY = """\
[tool.poetry]
name = "pier"
version = "3.1.0"
description = ""
authors = []
package-mode = false

[tool.poetry.dependencies]
python = "^3.11"
django = "~5.2"
dj-database-url = "^2.1"
shelf = { path = "libs/shelf", develop = true }

[tool.poetry.group.dev.dependencies]
pytest-django = "^4.8"

[build-system]
requires = ["poetry-core"]
build-backend = "poetry.core.masonry.api"
"""
POETRY_LOCK = """\
[[package]]
name = "django"
version = "5.2.1"

[[package]]
name = "sqlparse"
version = "0.5.1"
"""
UV = """\
[project]
name = "pier"
version = "3.1.0"
requires-python = ">=3.11"
dependencies = ["django>=5.2,<5.3", "dj-database-url>=2.1", "shelf"]

[project.optional-dependencies]
test = ["pytest", "pytest-django"]

[dependency-groups]
dev = ["pier[test]"]

[tool.uv.workspace]
members = ["libs/*"]

[tool.uv.sources]
shelf = { workspace = true }
"""
UV_LOCK = """\
version = 1

[[package]]
name = "django"
version = "5.2.1"
source = { registry = "https://example.org/simple" }

[[package]]
name = "sqlparse"
version = "0.5.1"
source = { registry = "https://example.org/simple" }
"""
PIPFILE = """\
[[source]]
url = "https://example.org/simple"
verify_ssl = true
name = "pypi"

[packages]
django = "~=5.2.0"
dj-database-url = "*"
shelf = {path = "./libs/shelf", editable = true}

[dev-packages]
pytest-django = "*"

[requires]
python_version = "3.11"
"""
PIPFILE_LOCK = {
    "default": {name: {"version": f"=={version}"} for name, version in (("django", "5.2.1"), ("sqlparse", "0.5.1"))}
}
LAYOUTS: Mapping[str, Mapping[str, str]] = {
    "poetry": {"pyproject.toml": POETRY, "poetry.lock": POETRY_LOCK},
    "uv": {"pyproject.toml": UV, "uv.lock": UV_LOCK},
    "pipenv": {"Pipfile": PIPFILE, "Pipfile.lock": json.dumps(PIPFILE_LOCK)},
    "pip": {
        "requirements/base.txt": "django==5.2.1\nsqlparse==0.5.1\ndj-database-url\n-e ./libs/shelf\n",
        "requirements/production.txt": "-r base.txt\n",
        "requirements/dev.txt": "-r base.txt\npytest-django\n",
    },
}


@pytest.mark.parametrize("tool", LAYOUTS)
def test_project_is_adopted_locked_and_built(tmp_path: Path, tool: str) -> None:
    """Nothing is left to do but the variables of production; versions are those that the tool had locked."""
    folder = lay(tmp_path / "pier", {**SITE, **LAYOUTS[tool]})
    lay(folder / "libs" / "shelf", repositories.package("shelf", ""))
    harbour.invoke(tmp_path, "--search-root", str(harbour.ROOT), "adopt", str(folder))
    repositories.commit(folder, {})
    made: dict[str, Any] = json.loads(harbour.invoke(folder, "adopt", ".", "--json").stdout)
    for task in ("lock", "fetch"):
        harbour.invoke(folder, task)
    repositories.git(folder, "add", ".")
    built = json.loads(harbour.invoke(folder, "build", "--json").stdout)
    locked = {one.name: one.version for one in load(folder).distributions}
    held = {line for layer in built["layers"] for line in layer["contents"]}

    assert [line for line in made["undecided"] if "PAGE_SIZE" not in line and "SECRET_KEY" not in line] == []
    assert (locked["django"], locked["sqlparse"]) == ("5.2.1", "0.5.1")
    assert {"gunicorn", "psycopg", "pytest", "shelf"} <= locked.keys()
    assert {"django 5.2.1", "shelf 1.0"} <= held
    assert projects.load(folder).settings == "config.settings.production"
    assert not [name for name in repositories.git(folder, "ls-files").splitlines() if name.startswith(".estiba")]
