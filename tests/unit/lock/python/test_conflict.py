from __future__ import annotations

from typing import Any

import pytest

from estiba.lock.python import conflict

ROOT = "-r dependencies of pyproject.toml (line 3)"


def explain(
    *causes: tuple[str, list[str]],
    versions: list[str] | None = None,
    unusable: list[str] | None = None,
    constraints: tuple[str, ...] = (),
    said: tuple[str, ...] = (),
) -> str:
    """Return the lines of an error about versions of Django."""
    found: dict[str, Any] = {
        "causes": [{"requirement": requirement, "chain": chain} for requirement, chain in causes],
        "constraints": list(constraints),
        "projects": {"django": {"versions": versions or [], "unusable": unusable or []}},
    }
    error = conflict.explain(found, platform="x86_64-linux", python="3.11.2", said=said)
    first, *lines, hint = str(error).splitlines()
    assert first == "no versions fit together for x86_64-linux:"
    assert hint == "  hint: change one of these requirements, then run invoke lock"
    return "\n".join(lines)


def test_conflict_names_who_asks() -> None:
    """A requirement of another one is told with what brings that, up to the service's own file."""
    chain = ["wagtail 6.0", "puput", ROOT]

    assert explain(("django<5.1", chain), ("django>=5.2", [ROOT]), versions=["4.2", "5.0", "5.2"]).splitlines() == [
        "  - dependencies of pyproject.toml requires django>=5.2",
        "  - wagtail 6.0 (from puput, from dependencies of pyproject.toml) requires django<5.1",
        "  - django has 4.2, 5.0, 5.2",
    ]


def test_near_versions_are_those_around_the_named_one() -> None:
    """Of many versions those around the named one are shown, final ones in their own order."""
    versions = ["5.2rc1", *(f"5.2.{number}" for number in range(30))]

    assert explain(("django==5.2.99", [ROOT]), versions=versions).splitlines()[1] == (
        "  - django has 5.2.24, 5.2.25, 5.2.26, 5.2.27, 5.2.28, 5.2.29 and 25 other versions"
    )
    assert "5.2.11, 5.2.12, 5.2.13, 5.2.14 and" in explain(("django!=5.2.12", [ROOT]), versions=versions)


def test_files_for_another_system_are_told() -> None:
    """A project for Windows alone is one that a marker leaves out here; wheels of an older Python are named."""
    alone = "306 has wheels for win32, win_amd64 alone"
    old = explain(("django==2.5", [ROOT]), versions=["2.12"], unusable=["2.5 has wheels for cp38, cp39 alone"])

    assert explain(("django", [ROOT]), unusable=[alone]).splitlines()[1] == (
        f"  - django has no version for Python 3.11.2 and this platform: {alone};"
        ' where that is meant, write django; sys_platform == "win32"'
    )
    assert old.splitlines()[1] == (
        "  - django has 2.12; for another Python than 3.11.2: 2.5 has wheels for cp38, cp39 alone"
    )


def test_versions_for_another_python_are_told() -> None:
    """A version that exists, but not for this Python, is named with the Python that it needs."""
    asked = ("django==6.0", [ROOT])
    other = ["6.0 Requires-Python >=3.12"]

    assert "django has no version for Python 3.11.2 and this platform: 6.0 needs Python >=3.12" in explain(
        asked, unusable=other
    )
    assert "django has 5.2; for another Python than 3.11.2: 6.0 needs Python >=3.12" in explain(
        asked, versions=["5.2"], unusable=other
    )


def test_unknown_project_is_told_with_the_trouble_of_the_index() -> None:
    """Without any version, pip's own warnings about an index are part of the reason."""
    said = ("WARNING: 401 Error, Credentials not correct for http://localhost/simple/django/", "Collecting django")

    assert explain(("django", [ROOT]), said=said).splitlines()[1:] == [
        "  - no index of pip's configuration has a file of django for this platform",
        "  - WARNING: 401 Error, Credentials not correct for http://localhost/simple/django/",
    ]


def test_constraint_is_told() -> None:
    """A constraint that rules out a requirement is named beside it."""
    lines = explain(("django>=5", [ROOT]), versions=["4.2", "5.2"], constraints=("django<5",)).splitlines()

    assert lines[1] == "  - the constraints say django<5"


@pytest.mark.parametrize("frame", ['  File "x.py", line 1, in main', "    ^^^^", "  + Exception Group", ""])
def test_traceback_is_cut_to_its_exception(frame: str) -> None:
    """What pip says before and after the frames stays."""
    lines = ["note", "ERROR: bad", "Traceback (most recent call last):", frame, "ValueError: worse"]

    assert conflict.cut_tracebacks(lines) == ["ERROR: bad", "ValueError: worse"]
