from __future__ import annotations

import json
import tomllib
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement
from tests.djangoproject import adopt, site

from estiba.scaffold.adopt import conversion
from estiba.service import project

if TYPE_CHECKING:
    from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"
POETRY = """\
[tool.poetry]
name = "Har.bour"
version = "2.1"

[tool.poetry.dependencies]
python = "^3.11"
django = "^5.2"
gunicorn = "*"
crane = { git = "https://example.org/crane.git", branch = "main" }
shelf = { path = "libs/shelf", develop = true }
pillow = [{ version = "<11", python = "<3.12" }, { version = "^11.0", markers = "python_version >= '3.12'" }]
redis = { version = "~5.0", extras = ["hiredis"] }
ldap = { version = "*", optional = true }

[tool.poetry.group.dev.dependencies]
pytest = ">=8,<9"

[build-system]
requires = ["poetry-core"]
"""
POETRY_LOCK = f"""\
[[package]]
name = "crane"
version = "1.0"

[package.source]
type = "git"
url = "https://example.org/crane.git"
reference = "main"
resolved_reference = "{COMMIT}"
"""
PIPFILE = """\
[[source]]
url = "https://example.org/simple"
name = "pypi"

[[source]]
url = "https://inside/simple"
name = "inside"

[packages]
django = "~=5.2"
gunicorn = "*"
crane = {git = "https://example.org/crane.git", ref = "main"}
cargo = {version = "*", index = "inside"}
tools = {version = ">1", sys_platform = "== 'linux'", extras = ["a", "b"]}

[dev-packages]
pytest = "*"
"""


@pytest.mark.parametrize(
    ("given", "bounds"),
    [
        ("^1.2.3", ">=1.2.3,<2"),
        ("^0.2.3", ">=0.2.3,<0.3"),
        ("^0.0.3", ">=0.0.3,<0.0.4"),
        ("^0.0", ">=0.0,<0.1"),
        ("^0", ">=0,<1"),
        ("~1.2.3", ">=1.2.3,<1.3"),
        ("~1", ">=1,<2"),
        ("1.2.*", "==1.2.*"),
        ("1.2", "==1.2"),
        (">=1.2 <2, !=1.5", ">=1.2,<2,!=1.5"),
        ("*", ""),
    ],
)
def test_bounds_of_poetry_are_specifiers(tmp_path: Path, given: str, bounds: str) -> None:
    """The versions that Poetry's own operators allow are the same afterwards."""
    found = conversion.convert_poetry(tmp_path, {"dependencies": {"x": given}})

    assert Requirement(found.project["dependencies"][0]).specifier == Requirement(f"x{bounds}").specifier


def test_poetry_project_is_adopted(tmp_path: Path) -> None:
    """Its requirements stand in [project], those of groups in groups, and a branch is the commit that was locked."""
    files = {
        "pyproject.toml": POETRY,
        "poetry.lock": POETRY_LOCK,
        "libs/shelf/pyproject.toml": '[project]\nname = "shelf"\n',
    }
    folder = site(tmp_path, **files)
    (folder / "requirements.txt").unlink()
    made = adopt(folder)
    loaded = project.load(folder)

    assert (loaded.name, loaded.version) == ("har-bour", "2.1")
    assert loaded.requirements.runtime == (
        "crane",
        "django<6,>=5.2",
        "gunicorn",
        'pillow<11; python_version < "3.12"',
        'pillow<12,>=11.0; python_version >= "3.12"',
        "redis[hiredis]<5.1,>=5.0",
        "shelf",
    )
    assert loaded.requirements.dev == ("pytest<9,>=8",)
    assert [str(one) for one in loaded.requirements.sources] == [
        f"git+https://example.org/crane.git@{COMMIT}",
        "file:./libs/shelf",
    ]
    assert made.undecided == ("[tool.poetry.dependencies] ldap is optional and left out: add it where it is needed",)
    assert (folder / "pyproject.toml").read_text().startswith(POETRY)
    assert tomllib.loads((folder / "pyproject.toml").read_text())["project"]["requires-python"] == "<4,>=3.11"


def test_project_table_of_poetry_gets_a_group(tmp_path: Path) -> None:
    """Where [project] leaves its dependencies to Poetry, they are a group of the image."""
    before = '[project]\nname = "x"\n[tool.poetry.dependencies]\ndjango = "^5.2"\ngunicorn = "*"\n'
    folder = site(tmp_path, **{"pyproject.toml": before})
    adopt(folder)

    assert project.load(folder).requirements.runtime == ("django<6,>=5.2", "gunicorn")


def test_pipfile_is_adopted(tmp_path: Path) -> None:
    """Its indexes come along, each for its own packages, and a branch is the commit that was locked."""
    lock = json.dumps({"default": {"crane": {"git": "https://example.org/crane.git", "ref": COMMIT}}})
    folder = site(tmp_path, **{"Pipfile": PIPFILE, "Pipfile.lock": lock})
    (folder / "requirements.txt").unlink()
    made = adopt(folder)
    found = project.load(folder).requirements

    assert made.undecided == ()
    assert found.runtime == ("cargo", "crane", "django~=5.2", "gunicorn", 'tools[a,b]>1; sys_platform == "linux"')
    assert found.dev == ("pytest",)
    assert [(one.name, one.projects) for one in found.indexes] == [("inside", ("cargo",))]
    assert [one.commit for one in found.sources] == [COMMIT]


def test_what_has_no_standard_form_is_told(tmp_path: Path) -> None:
    """Alternatives and addresses are named, and the rest is converted."""
    table = {"dependencies": {"a": "^1 || ^2", "b": {"url": "https://t@example.org/b.whl"}, "c": "x!", "d": "*"}}
    found = conversion.convert_poetry(tmp_path, table)

    assert found.project["dependencies"] == ["d"]
    assert [problem.split(": ")[0] for problem in found.problems] == [
        "[tool.poetry.dependencies] a",
        "[tool.poetry.dependencies] b",
        "[tool.poetry.dependencies] c",
    ]
    assert "t@" not in str(found.problems)
