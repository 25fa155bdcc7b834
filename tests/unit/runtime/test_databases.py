from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

import pytest

from estiba_runtime import databases
from estiba_runtime.failure import StartError

if TYPE_CHECKING:
    from pathlib import Path

DJANGO: Final = """
ready = False


def setup():
    global ready
    ready = True
"""
BACKEND: Final = """
import django


class AppRegistryNotReady(Exception):
    pass


class Connections:
    def __getitem__(self, alias):
        if alias == "broken":
            raise ValueError("no such driver")
        if not django.ready:
            raise AppRegistryNotReady("Apps aren't loaded yet.")
        return Connection()


class Connection:
    settings_dict = {"OPTIONS": {"pool": True}}

    def copy(self):
        return self


connections = Connections()
"""


@pytest.fixture(autouse=True)
def django(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a Django in place whose backend has models of its own, as that of PostGIS."""
    (tmp_path / "django").mkdir()
    (tmp_path / "django/__init__.py").write_text(DJANGO)
    (tmp_path / "django/db.py").write_text(BACKEND)
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("django", "django.db"):
        monkeypatch.delitem(sys.modules, name, raising=False)


def test_backend_with_models_gets_the_apps_first() -> None:
    """GeoDjango's could be neither waited for nor migrated; the pool of a connection is left out as ever."""
    assert databases._separate("default").settings_dict == {"OPTIONS": {}}


def test_other_failures_of_a_backend_are_its_own() -> None:
    """They end the start, with the reason last."""
    with pytest.raises(StartError, match=r"ValueError: no such driver$"):
        databases._separate("broken")
