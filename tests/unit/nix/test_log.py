from __future__ import annotations

import json
from pathlib import Path

import pytest

from estiba.nix.log import BuildLog, derivation_name, failed_derivation

RECORDED = Path(__file__).parents[2] / "fixtures" / "nixlog"
VERSIONS = ("2.26.3", "2.34.8")
"""Nix of Debian 13 and one in which errors read differently; README.md beside the recordings has the commands."""

BROKEN = "/nix/store/2bhjccp913gis593144pj51rzk5s8icb-static-files.drv"


def read(case: str, version: str) -> BuildLog:
    """Feed a recorded log to its end."""
    log = BuildLog()
    for line in (RECORDED / f"{case}-{version}.log").read_text().splitlines():
        log.feed(line)
    return log


def message(text: str, level: int = 0) -> str:
    """Return a line with a message."""
    return "@nix " + json.dumps({"action": "msg", "level": level, "msg": text})


@pytest.mark.parametrize("version", VERSIONS)
def test_success_counts_to_the_end(version: str) -> None:
    """After a build that succeeded everything planned is finished, and there is nothing to complain about."""
    log = read("success", version)

    assert (len(log.wanted), log.finished, log.running, log.errors) == (2, 2, {}, [])
    assert log.lines == {"image": ["hello"]}


@pytest.mark.parametrize("version", VERSIONS)
def test_status_names_what_is_running(version: str) -> None:
    """While a derivation is being built, the status has its name and how many are done."""
    log = BuildLog()
    seen = []
    for line in (RECORDED / f"success-{version}.log").read_text().splitlines():
        log.feed(line)
        seen.append(log.status)

    assert [status for status in dict.fromkeys(seen) if not status.endswith(": ")] == [
        "0 of 2: layer-base",
        "1 of 2: image",
    ]


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("2.26.3", f"builder for '{BROKEN}' failed with exit code 3"),
        ("2.34.8", f"Cannot build '{BROKEN}'.\nReason: builder failed with exit code 3."),
    ],
)
def test_failure_shows_the_end_of_the_log(version: str, expected: str) -> None:
    """The failed build is named with its last lines, and what only depended on it is not."""
    tail = "\n".join(f"  | {line}" for line in ("line 1", "line 2", "line 3", "no such module: shop"))

    assert read("failure", version).failure() == f"{expected}\n{tail}"


@pytest.mark.parametrize("version", VERSIONS)
def test_failure_is_limited(version: str) -> None:
    """Of a long log only the end is shown."""
    assert read("failure", version).failure(limit=1).split("\n")[-1] == "  | no such module: shop"
    assert "line 3" not in read("failure", version).failure(limit=1)


@pytest.mark.parametrize("version", VERSIONS)
def test_missing_artifact_says_so(version: str) -> None:
    """The line of the placeholder derivation arrives under its name."""
    log = read("missing", version)

    text = "artifact missing from the store: django-5.2.1-py3-none-any.whl; run: invoke fetch"
    assert log.lines == {"django-5.2.1-py3-none-any.whl": [text]}


@pytest.mark.parametrize("version", VERSIONS)
def test_thrown_message_stands_alone(version: str) -> None:
    """What the library throws is written for people, and Nix's trace around it is not."""
    expected = "no estiba.lock beside pyproject.toml; run: invoke lock"

    assert read("evaluation", version).failure() == expected


@pytest.mark.parametrize("version", VERSIONS)
def test_mistake_in_a_nix_file_has_its_place(version: str) -> None:
    """An error of Nix itself comes with file, line and column."""
    expected = "attribute 'absent' missing, at /srv/recording/recorded.nix:37:15"

    assert read("attribute", version).failure() == expected


def test_last_lines_are_not_repeated() -> None:
    """A daemon puts the end of the log into the error too."""
    log = BuildLog()
    text = f"error: builder for '{BROKEN}' failed with exit code 1;\n       last 1 log lines:\n       > x"
    log.feed(message(text))

    assert log.failure() == f"builder for '{BROKEN}' failed with exit code 1"


def test_only_follow_up_errors() -> None:
    """An error that follows from another is shown where the other one is not there."""
    log = BuildLog()
    log.feed(message(f"error: 1 dependencies of derivation '{BROKEN}' failed to build"))

    assert log.failure() == f"1 dependencies of derivation '{BROKEN}' failed to build"


@pytest.mark.parametrize(
    "line",
    ["warning: Git tree is dirty", "@nix {", '@nix {"action":"stop","id":7}', '@nix {"action":"msg"}', "@nix []", ""],
)
def test_other_lines_are_passed_over(line: str) -> None:
    """Plain text and records of no interest change nothing."""
    log = BuildLog()
    log.feed(line)

    assert log == BuildLog()


@pytest.mark.parametrize(
    ("text", "name", "path"),
    [
        (f"builder for '{BROKEN}' failed", "static-files", BROKEN),
        (f"'{BROKEN}' and '/nix/store/{'a' * 32}-b.drv'", "static-files", BROKEN),
        ("no path", "no path", ""),
    ],
)
def test_derivation_in_a_text(text: str, name: str, path: str) -> None:
    """The first derivation is found, with and without its place in the store."""
    assert (derivation_name(text), failed_derivation(text)) == (name, path)
