from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.djangoproject import SETTINGS, site

from estiba.scaffold.adopt import adoption, loading
from estiba.scaffold.adopt.survey import survey

if TYPE_CHECKING:
    from pathlib import Path


def opened(folder: Path, text: str) -> list[tuple[str, str]]:
    """Return where settings write to files, and what does."""
    (folder / "conf.py").write_text(text)
    return list(loading.find_file_access(survey(folder, "conf")))


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("import sqlite3\nX = sqlite3.connect(BASE_DIR / 'a.sqlite3').execute('x')", "sqlite3.connect"),
        ("import os\nif not os.path.exists(LOGS): os.makedirs(LOGS)", "makedirs"),
        ("class Base(Configuration):\n    (BASE_DIR / 'media').mkdir(exist_ok=True)", "mkdir"),
        ("\nwith open('secret.txt', 'w') as file: pass", "open"),
        ("\nX = open('secret.txt', mode='a')", "open"),
        (
            "LOGGING = {\n'a': {'class': 'logging.handlers.RotatingFileHandler'}}",
            "logging.handlers.RotatingFileHandler",
        ),
        ("try:\n    pass\nfinally: (BASE_DIR / 'x').write_text('')", "write_text"),
    ],
    ids=["sqlite", "folder", "path", "with", "mode", "log", "finally"],
)
def test_file_that_settings_write_to_is_found(tmp_path: Path, text: str, what: str) -> None:
    """Each is found with its place, also where a condition may prevent it."""
    line = 3 if text.startswith("try") else 2

    assert opened(tmp_path, text) == [(f"conf.py:{line}", what)]


@pytest.mark.parametrize(
    "text",
    [
        "import sqlite3\nX = sqlite3.connect(':memory:')",
        "def later():\n    open('x', 'w')",
        "async def later():\n    open('x', 'w')",
        "later = lambda: open('x', 'w')",
        "try:\n    os.makedirs(LOGS)\nexcept OSError:\n    pass",
        "X = open('VERSION').read()\nY = open('VERSION', 'rb').read()",
        "LOGGING = {'a': {'class': 'logging.StreamHandler'}}",
    ],
    ids=["memory", "function", "async", "lambda", "tried", "read", "stream"],
)
def test_what_is_read_or_comes_later_is_not_told(tmp_path: Path, text: str) -> None:
    """What only reads, may fail, or does not run by itself stops neither a build nor a service."""
    assert opened(tmp_path, text) == []


def test_adoption_tells_of_it(tmp_path: Path) -> None:
    """Settings that open an SQLite file load on a developer's machine and nowhere else."""
    text = SETTINGS + "import sqlite3\nVERSION = sqlite3.connect('site.sqlite3').execute('x')\n"

    (told,) = adoption.plan(site(tmp_path, **{"site/settings.py": text})).undecided
    assert told == (
        "site/settings.py:5 makes or opens a file while the settings load (sqlite3.connect), and /app is read-only in a"
        " build and where the service runs: use /tmp, or let a variable turn it off"
    )
