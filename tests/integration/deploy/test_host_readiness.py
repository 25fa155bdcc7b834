"""Readiness of a service on this machine that has no page for it, or one that fails."""

from __future__ import annotations

import json
import shutil
import time
from typing import TYPE_CHECKING

import pytest
from tests.services import harbour, locking, sites

if TYPE_CHECKING:
    from pathlib import Path

URLS = """
from django.http import HttpResponse
from django.urls import path


def broken(request, exception=None):
    raise ValueError("a page that fails")


urlpatterns = [path("", lambda request: HttpResponse("works"))]
handler404 = broken
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Lay out a service whose page for status 404 fails."""
    made = locking.prepare(locking.copy("tiny", tmp_path / "tiny"))
    (made / "tiny" / "urls.py").write_text(URLS)
    settings = made / "tiny" / "settings.py"
    settings.write_text(settings.read_text().replace('":memory:"', 'os.environ.get("TINY_DATABASE", ":memory:")'))
    with (made / "pyproject.toml").open("a") as file:
        file.write('\n[tool.estiba.targets.local.env]\nTINY_DATABASE = "/tmp/tiny.sqlite3"\n')
    harbour.invoke(made, "fetch")
    return made


def test_page_that_is_not_there_is_not_asked(folder: Path) -> None:
    """The first page of `smoke` says that the service works, and `status` asks the same one."""
    with sites.served(folder):
        assert json.loads(harbour.invoke(folder, "status", "--json").stdout)["ready"]
        assert "ready" not in json.loads(harbour.invoke(folder, "urls", "--json").stdout)


def test_page_that_fails_shows_its_traceback_at_once(folder: Path) -> None:
    """Nobody waits for the end of the time limit to learn why."""
    urls = folder / "tiny" / "urls.py"
    urls.write_text(URLS.replace("urlpatterns = [", 'urlpatterns = [path("readyz", broken), '))
    began = time.monotonic()

    done = harbour.invoke(folder, "deploy", check=False)
    took = time.monotonic() - began
    harbour.invoke(folder, "down", check=False)
    shutil.rmtree(folder.parent / "state", ignore_errors=True)

    assert done.returncode != 0
    assert "/readyz answers 500, and goes on to:" in done.stderr
    assert "ValueError: a page that fails" in done.stderr
    assert took < 50
