from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.djangoproject import SETTINGS, lay, site

from estiba.scaffold.adopt import adoption, frontend

if TYPE_CHECKING:
    from pathlib import Path

SASS = 'INSTALLED_APPS = ["sass_processor"]\n'
COMPRESSOR = 'INSTALLED_APPS = ["compressor"]\n'


@pytest.mark.parametrize(
    ("files", "start", "end"),
    [
        ({"site/settings.py": SETTINGS + SASS}, "sass_processor: ", 'set prepare = [["compilescss"]]'),
        (
            {"site/settings.py": SETTINGS + COMPRESSOR + "COMPRESS_OFFLINE = True\n"},
            "COMPRESS_OFFLINE: ",
            'set prepare = [["compress"]]',
        ),
    ],
    ids=["sass", "compress"],
)
def test_what_is_made_of_files_is_told(tmp_path: Path, files: dict[str, str], start: str, end: str) -> None:
    """Each kind of file that is made before it is served is told with what makes it in a build."""
    (told,) = adoption.plan(site(tmp_path, **files)).undecided

    assert (told[: len(start)], told[-len(end) :]) == (start, end)


def test_what_is_there_or_not_needed_is_not_told(tmp_path: Path) -> None:
    """Translations, which any build compiles, and files that are compressed at the first request need nothing."""
    files = {"site/locale/es/LC_MESSAGES/django.po": "", "site/settings.py": SETTINGS + COMPRESSOR}

    assert adoption.plan(site(tmp_path, **files)).undecided == ()


def test_chosen_commands_are_not_doubted(tmp_path: Path) -> None:
    """A project that says what a build runs is not told again."""
    text = "[project]\nname = 'x'\n[tool.estiba]\nprepare = [['build_all']]\n"
    files = {"pyproject.toml": text, "site/settings.py": SETTINGS + SASS}

    assert adoption.plan(site(tmp_path, **files)).undecided == ()


def test_own_files_come_sorted(tmp_path: Path) -> None:
    """The same project always gives the same order."""
    lay(tmp_path, dict.fromkeys(("b/x.po", "a/y.po", "a/b/z.po", "a.po", "a/x.txt", "venv/x.po"), ""))

    found = [str(file.relative_to(tmp_path)) for file in frontend.find_own(tmp_path, ".po")]
    assert found == ["a.po", "a/y.po", "a/b/z.po", "b/x.po"]
