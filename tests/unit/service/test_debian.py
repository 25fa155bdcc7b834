from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from estiba.service import debian
from estiba.service.debian import Archive

FOLDER = Path("/srv/shop")


@pytest.mark.parametrize(
    ("table", "requires", "expected"),
    [
        ({}, "", ("3.13", "trixie")),
        ({}, ">=3.14", ("3.15", "forky")),
        ({}, "==3.11.*", ("3.11", "bookworm")),
        ({"python": "3.14"}, "", ("3.14", "forky")),
        ({"debian": {"release": "bookworm"}}, ">=3.10", ("3.11", "bookworm")),
        ({"debian": {"release": "noble", "archives": [{"name": "ubuntu"}]}}, "", ("3.12", "noble")),
        ({"python": "3.14", "debian": {"release": "vendor", "archives": [{"name": "v"}]}}, "", ("3.14", "vendor")),
    ],
)
def test_python_and_release_choose_each_other(table: dict[str, Any], requires: str, expected: tuple[str, str]) -> None:
    """Either may be set; without both, the default is taken if the project allows it."""
    assert debian.check_python(table, requires) == []
    found = debian.parse(FOLDER, table, requires_python=requires)
    assert (debian.choose_python(table, requires), found.suite) == expected


@pytest.mark.parametrize(
    ("table", "requires", "problem"),
    [
        ({}, "==3.12.*", "'python' is '3.13', but [project] requires-python is '==3.12.*'; "),
        ({"python": "3.12"}, "", "'python' is '3.12', which no Debian release has; "),
        (
            {"python": "3.13", "debian": {"release": "bookworm"}},
            "",
            "'python' is '3.13', but Debian 12 (bookworm) has 3.11; ",
        ),
        ({"python": "3"}, "", "'python' cannot be '3', only a minor version such as '3.13'; "),
    ],
)
def test_python_without_archive_is_told_where_it_is(table: dict[str, Any], requires: str, problem: str) -> None:
    """The error lists which archive has which Python, and has the two lines that name one."""
    (found,) = debian.check_python(table, requires)

    assert found.startswith(problem)
    assert "Ubuntu 24.04 (noble) has 3.12" in found
    assert '    python = "3.12"\n    debian = {release = "noble", archives = [{name = "ubuntu"}]}' in found


def test_other_distribution_needs_its_archive() -> None:
    """Debian's mirrors do not have Ubuntu's releases."""
    (found,) = debian.check_python({"debian": {"release": "noble"}}, "")

    assert found.startswith("'debian.release' is 'noble', which Debian's mirrors do not have: name its archive; ")


def test_table_is_parsed() -> None:
    """Packages are in it, too, as in the list that may stand for it."""
    entry = {"uri": "http://v.example", "suites": ["v"], "components": ["main"], "signed-by": "keys/v.asc"}
    table = {
        "pockets": ["main"],
        "debian": {"packages": ["b", "a"], "archives": [entry], "snapshot": "20260101T000000Z"},
    }
    assert debian.check(table["debian"]) == []  # type: ignore[arg-type]
    found = debian.parse(FOLDER, table, requires_python="")

    archive = Archive(uri="http://v.example", suites=("v",), components=("main",), signed_by="keys/v.asc")
    assert (found.archives, found.snapshot, found.pockets) == ((archive,), "20260101T000000Z", ("main",))
    assert debian.list_packages(table) == debian.list_packages({"debian": ["b", "a"]}) == ("a", "b")
    assert found.describe()["archives"][0]["uri"] == "http://v.example"
    assert debian.parse(FOLDER, {}, requires_python="").describe() == {}


def test_unstable_has_one_pocket() -> None:
    """Nothing is published apart for it."""
    found = debian.parse(FOLDER, {"python": "3.14", "debian": {"release": "sid"}}, requires_python="")

    assert found.pockets == ("main",)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ({"relase": "sid"}, "'debian': unknown key 'relase', did you mean 'release'?"),
        ({"packages": "git"}, "'debian.packages' must be a list of strings, not 'git'"),
        ({"release": 13}, "'debian.release' must be a string, not 13"),
        (
            {"archives": {"name": "v"}},
            "'debian.archives' must be a list of tables such as [{name = 'vendor'}], not {'name': 'v'}",
        ),
        ({"archives": ["v"]}, "'debian.archives[0]' must be a table such as {name = 'vendor'}, not 'v'"),
        ({"archives": [{"name": "v", "url": "x"}]}, "'debian.archives[0]': unknown key 'url', did you mean 'uri'?"),
        (
            {"archives": [{"name": "v", "suites": "x"}]},
            "'debian.archives[0].suites' must be a list of strings, not 'x'",
        ),
        (
            {"archives": [{"uri": "http://v.example"}]},
            (
                "'debian.archives[0].name' must be a file of the machine's apt configuration, such as 'vendor' for"
                " vendor.sources, unless 'uri' and 'suites' are given"
            ),
        ),
    ],
)
def test_mistake_is_named_with_its_place(value: dict[str, Any], problem: str) -> None:
    """Each mistake is one sentence, with the path of the key."""
    assert debian.check(value) == [problem]
