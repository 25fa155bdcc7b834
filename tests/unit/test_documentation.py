"""The documentation agrees with the code."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from estiba import config, errors
from estiba import tasks as library
from estiba.service import project
from estiba.tasks.collection import load, render_reference

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


def first_column(page: str, heading: str = "") -> set[str]:
    """Return what stands in the first column of the tables of a page, or of one of its chapters."""
    text = (ROOT / "docs" / page).read_text().partition(heading)[2] if heading else (ROOT / "docs" / page).read_text()
    chapter = text.split("\n## ")[0] if heading else text
    return set(re.findall(r"^\| `?([\w-]+)`?", chapter, re.MULTILINE))


def test_every_setting_is_explained() -> None:
    """Each key of `[tool.estiba]` stands in the table, and no other."""
    assert first_column("configuration.md", "## `[tool.estiba]`") - {"key", "---"} == set(project._KEYS)


def test_every_variable_is_explained() -> None:
    """Each environment variable stands in the table, and no other."""
    names = {value for name, value in vars(config).items() if name.startswith("ENV_")}

    assert first_column("configuration.md", "## Environment") - {"variable", "---"} == names


def test_every_exit_code_is_explained() -> None:
    """Each exit code of an error stands in the table."""
    classes = [value for _, value in inspect.getmembers(errors, inspect.isclass)]
    codes = {str(cause.exit_code) for cause in classes if issubclass(cause, errors.EstibaError)}

    assert codes <= first_column("troubleshooting.md")


def test_tasks_page_is_current() -> None:
    """`docs/tasks.md` is what `invoke docs` writes."""
    reference = render_reference(load(library.__name__, list(library.__path__)))

    assert (ROOT / "docs" / "tasks.md").read_text() == reference, "run `invoke docs`"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """A link to a file of this repository finds it."""
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text())

    assert [link for link in links if not (page.parent / link).exists()] == []


def test_both_languages_show_the_same_commands() -> None:
    """The two READMEs have the same code."""
    english, spanish = ((ROOT / name).read_text() for name in ("README.md", "README.es.md"))
    commands = re.compile(r"^\$ .*$|^ +\w.*= .*$|^\w[\w-]* = \S+", re.MULTILINE)

    assert commands.findall(english) == commands.findall(spanish)
