from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.djangoproject import lay

from estiba.lock import other_locks
from estiba.lock.python.pins import Pin

if TYPE_CHECKING:
    from pathlib import Path

BOTH = ("aarch64-linux", "x86_64-linux")
UV = """\
version = 1
[[package]]
name = "harbour"
version = "0.1"
source = { virtual = "." }
[[package]]
name = "Django"
version = "5.2.1"
source = { registry = "https://example.org/simple" }
[[package]]
name = "numpy"
version = "1.26.4"
source = { registry = "https://example.org/simple" }
[[package]]
name = "numpy"
version = "2.0.0"
source = { registry = "https://example.org/simple" }
"""
POETRY = """\
[[package]]
name = "Django"
version = "5.2.1"
[[package]]
name = "crane"
version = "1.0"
[package.source]
type = "git"
url = "https://example.org/crane.git"
"""
PYLOCK = '[[packages]]\nname = "django"\nversion = "5.2.1"\n[[packages]]\nname = "crane"\nvcs = { type = "git" }\n'
PIPFILE = '{"default": {"django": {"version": "==5.2.1"}, "crane": {"git": "x", "ref": "y"}}, "develop": {}}'


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("uv.lock", UV),
        ("poetry.lock", POETRY),
        ("pdm.lock", '[[package]]\nname = "django"\nversion = "5.2.1"\n'),
        ("pylock.toml", PYLOCK),
        ("Pipfile.lock", PIPFILE),
    ],
)
def test_versions_of_indexes_are_read(tmp_path: Path, name: str, text: str) -> None:
    """A distribution of an index with one version is a pin, and nothing else is."""
    assert other_locks.read(lay(tmp_path, {name: text}), "3.13", BOTH) == (name, [Pin(name="django", version="5.2.1")])


def test_compiled_requirements_are_read(tmp_path: Path) -> None:
    """What pip-compile wrote beside the loose files, and beside those that they include, are pins."""
    files = {
        "requirements.in": "-rrequirements/base.in\n",
        "requirements/base.in": "-r missing.in\ndjango\n",
        "requirements/base.txt": "django[argon2]==5.2.1 \\\n    --hash=sha256:00\nredis==5.0 ; python_version > '3'\n",
        "requirements/other.txt": "flask==1\n",
    }

    found = [Pin(name="django", version="5.2.1"), Pin(name="redis", version="5.0")]
    assert other_locks.read(lay(tmp_path, files), "3.13", BOTH) == ("requirements.txt", found)


def test_lock_that_cannot_be_read_is_passed_over(tmp_path: Path) -> None:
    """A file in the middle of a merge, in the encoding of PowerShell, or nested without end, is no start."""
    files: dict[str, str | bytes] = {
        "uv.lock": "<<<<<<<",
        "poetry.lock": "[package]\nx = 1\n",
        "pdm.lock": "a = " + "[" * 50000,
        "Pipfile.lock": "[" * 50000,
        "requirements.in": "django",
    }
    files["requirements.txt"] = "django==5.2.1".encode("utf-16")

    assert other_locks.read(lay(tmp_path, files), "3.13", BOTH) == ("", [])


FORKED = {
    "uv.lock": """\
[[package]]
name = "numpy"
version = "1.26.4"
source = { registry = "https://example.org/simple" }
resolution-markers = ["python_full_version < '3.12' and sys_platform == 'linux'", "sys_platform == 'win32'"]
[[package]]
name = "numpy"
version = "2.0.0"
source = { registry = "https://example.org/simple" }
resolution-markers = ["python_full_version >= '3.12' and sys_platform != 'win32'"]
""",
    "poetry.lock": """\
[[package]]
name = "numpy"
version = "1.26.4"
markers = { main = "python_version < '3.12'", dev = "sys_platform == 'win32'" }
[[package]]
name = "numpy"
version = "2.0.0"
markers = "python_version >= '3.12'"
""",
    "pylock.toml": """\
[[packages]]
name = "numpy"
version = "1.26.4"
marker = "python_version < '3.12'"
[[packages]]
name = "numpy"
version = "2.0.0"
marker = "python_version >= '3.12'"
""",
}


@pytest.mark.parametrize("name", FORKED)
def test_one_of_several_versions_is_that_of_the_python(tmp_path: Path, name: str) -> None:
    """A lock for several Pythons and systems has a version for each; those of others are none of the service's."""
    assert other_locks.read(lay(tmp_path, FORKED), "3.13", BOTH) == ("uv.lock", [Pin(name="numpy", version="2.0.0")])
    assert other_locks.read(lay(tmp_path / "own", {name: FORKED[name]}), "3.11", BOTH)[1][0].version == "1.26.4"


def test_versions_of_two_machines_are_a_pin_for_one(tmp_path: Path) -> None:
    """Whichever machine locks: what counts is what is locked for."""
    text = FORKED["uv.lock"].replace("sys_platform == 'linux'", "platform_machine == 'aarch64'")
    text = text.replace("python_full_version < '3.12' and ", "").replace("python_full_version >= '3.12' and ", "")
    lay(tmp_path, {"uv.lock": text.replace("sys_platform != 'win32'", "platform_machine == 'x86_64'")})

    assert other_locks.read(tmp_path, "3.13", BOTH)[1] == []
    for platform, version in zip(BOTH, ("1.26.4", "2.0.0"), strict=True):
        assert other_locks.read(tmp_path, "3.13", [platform])[1] == [Pin(name="numpy", version=version)]


def test_marker_that_cannot_be_judged_holds(tmp_path: Path) -> None:
    """Two versions of which either may apply are no pin."""
    text = FORKED["pylock.toml"].replace("python_version < '3.12'", "whatever")

    assert other_locks.read(lay(tmp_path, {"pylock.toml": text}), "3.13", BOTH)[1] == []


@pytest.mark.parametrize(
    "command", ["pip-compile pyproject.toml", "uv pip compile pyproject.toml -o requirements/a.txt"]
)
def test_what_was_compiled_from_pyproject_is_read(tmp_path: Path, command: str) -> None:
    """Such a file says so; another one of that place may be anything."""
    files = {
        "requirements/a.txt": f"\ufeff# autogenerated by\n#    {command}\ndjango==5.2.1 \\\n    --hash=sha256:00\n",
        "requirements/b.txt": "flask==1\n",
    }

    assert other_locks.read(lay(tmp_path, files), "3.13", BOTH) == (
        "requirements.txt",
        [Pin(name="django", version="5.2.1")],
    )


def test_categories_of_pipenv_are_read(tmp_path: Path) -> None:
    """They have names of the project's own."""
    text = '{"_meta": {"sources": []}, "docs": {"django": {"version": "==5.2.1"}}}'

    assert other_locks.read(lay(tmp_path, {"Pipfile.lock": text}), "3.13", BOTH)[1] == [
        Pin(name="django", version="5.2.1")
    ]


def test_versions_that_were_not_kept_are_told() -> None:
    """Of what both locks have, those with another version."""
    before = [Pin(name="a", version="1"), Pin(name="b", version="1"), Pin(name="gone", version="1")]
    after = [Pin(name="a", version="1"), Pin(name="b", version="2"), Pin(name="new", version="1")]

    assert other_locks.compare(before, after) == [("b", "1", "2")]


def test_lock_of_a_workspace_is_that_of_its_members(tmp_path: Path) -> None:
    """The lock of uv lies beside the root; of a folder that is no member it says nothing."""
    root = '[tool.uv.workspace]\nmembers = ["site"]\n'
    folder = lay(tmp_path, {"pyproject.toml": root, "uv.lock": UV, "site/manage.py": "", "other/manage.py": ""})
    found = [other_locks.read(folder / name, "3.13", BOTH) for name in ("site", "other")]
    assert found == [("uv.lock", [Pin(name="django", version="5.2.1")]), ("", [])]
