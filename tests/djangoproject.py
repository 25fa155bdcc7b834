"""Lays out small Django projects, and makes services of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from estiba.scaffold.adopt import adoption

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MANAGE: Final = 'import os\nos.environ.setdefault("DJANGO_SETTINGS_MODULE", "{}")\n'
SETTINGS: Final = 'INSTALLED_APPS = []\nSECRET_KEY = "x"\nSTATIC_ROOT = "/app/static"\n'
FIXED: Final = 'DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}}\n'


def lay(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    """Write files."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def site(folder: Path, **more: str | bytes) -> Path:
    """Lay out a small project: one settings file, and what else is given."""
    files: dict[str, str | bytes] = {
        "manage.py": MANAGE.format("site.settings"),
        "site/settings.py": SETTINGS,
        "site/wsgi.py": "",
        "requirements.txt": "django>=5.2\ngunicorn\n",
    }
    return lay(folder, files | more)


def adopt(folder: Path) -> adoption.Adoption:
    """Plan and apply."""
    made = adoption.plan(folder)
    adoption.apply(made)
    return made
