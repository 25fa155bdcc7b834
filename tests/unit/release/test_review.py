"""Reviews against counts of the week before, in a real logbook."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from estiba import config
from estiba.deploy.target import Finished, Release, Report
from estiba.errors import ConfigError, DeployError
from estiba.release import review
from estiba.release.logbook import Logbook, load

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from estiba.release.verdict import Verdict

NOW = datetime(2026, 3, 11, 9, 0, tzinfo=UTC)
TABLE = {"command": ["review_counts"], "tolerance": 0.2}


class Served:
    """The part of a target that is reviewed."""

    def __init__(self, output: str, code: int = 0) -> None:
        self.finished = Finished(code=code, output=output)
        self.release: Release | None = Release(number=1, digest="sha256:1", version="1.0", commit="c0")

    def manage(self, args: Sequence[str]) -> Finished:
        """Return the output of the command."""
        assert [*args] == ["review_counts"]
        return self.finished

    def status(self) -> Report:
        """Return what is served."""
        return Report(
            target="production",
            kind="host",
            service="shop",
            is_ready=True,
            release=self.release,
            workloads=(),
            addresses={},
            last=None,
            notes=(),
        )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a repository without commits."""
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    return tmp_path


def book(folder: Path, at: datetime = NOW) -> Logbook:
    """Return the logbook at a time."""
    found = load(folder, {}, config.load(), service="shop")
    return Logbook(branch=found.branch, service="shop", actor="ana", clock=lambda: at)


def look(folder: Path, target: Served) -> Verdict:
    """Review a target."""
    return review.review(target, TABLE, book(folder), name="production")  # type: ignore[arg-type] # the part that is used


def count(folder: Path, age: timedelta, **counts: int) -> None:
    """Record counts of before."""
    book(folder, NOW - age).append(command="deploy", target="production", counts=counts)


def test_first_review_only_records(folder: Path) -> None:
    """Without counts of before there is nothing to compare with, and the review says so."""
    verdict = look(folder, Served('starting\n{"loans": 100}\n'))
    (entry,) = book(folder).entries()

    assert (verdict.is_healthy, verdict.notes) == (True, ("there is nothing yet to compare with for loans",))
    assert (entry.command, entry.target, entry.result, entry.version) == ("review", "production", "healthy", "1.0")
    assert entry.counts == {"loans": 100}


@pytest.mark.parametrize(
    ("loans", "reasons"),
    [
        pytest.param(119, (), id="within"),
        pytest.param(121, ("loans is 121, and was 100 in the median of the week before",), id="above"),
        pytest.param(70, ("loans is 70, and was 100 in the median of the week before",), id="below"),
    ],
)
def test_counts_compare_with_the_median_of_the_week(folder: Path, loans: int, reasons: tuple[str, ...]) -> None:
    """What is older or younger, or of another target, does not count."""
    for days, number in ((1, 90), (2, 500), (3, 100), (9, 9000)):
        count(folder, timedelta(days=days), loans=number)
    count(folder, timedelta(minutes=5), loans=9000)
    book(folder, NOW - timedelta(days=1)).append(command="review", target="staging", counts={"loans": 1})

    assert look(folder, Served(json.dumps({"loans": loans}))).reasons == reasons


def test_same_hour_of_the_week_wins(folder: Path) -> None:
    """A Wednesday compares with the Wednesday before where there is one."""
    count(folder, timedelta(days=7, hours=2), loans=50)
    count(folder, timedelta(days=1), loans=100)

    assert look(folder, Served('{"loans": 100}')).reasons == ("loans is 100, and was 50 a week ago",)


def test_count_that_is_gone(folder: Path) -> None:
    """A count that the release no longer has is a reason."""
    count(folder, timedelta(days=1), audit=5, loans=100)

    assert look(folder, Served('{"loans": 100}')).reasons == (
        "audit is no longer counted, and was 5 in the median of the week before",
    )


@pytest.mark.parametrize("output", ["", "[]", "{}", '{"loans": "many"}', '{"loans": true}'])
def test_no_counts_are_not_healthy(folder: Path, output: str) -> None:
    """A command that prints no counts gives a verdict, which is recorded."""
    verdict = look(folder, Served(output))

    assert verdict.reasons[0].startswith("no data, which is not healthy: the last line of review_counts is no JSON")
    assert book(folder).entries()[0].result == "unhealthy"


def test_command_that_fails(folder: Path) -> None:
    """The reason quotes the output."""
    assert look(folder, Served("no such table", 1)).reasons == (
        "no data, which is not healthy: review_counts failed: no such table",
    )


def test_nothing_is_served(folder: Path) -> None:
    """Without a release there is nothing to review."""
    target = Served("{}")
    target.release = None
    with pytest.raises(DeployError, match="nothing is served on production"):
        look(folder, target)


def test_settings_are_checked(folder: Path) -> None:
    """A review needs a command; wrong values are listed."""
    with pytest.raises(ConfigError, match="names no management command"):
        review.review(Served(""), {}, book(folder), name="production")  # type: ignore[arg-type] # as above
    with pytest.raises(ConfigError, match="'command' must be a list") as caught:
        review.parse({"command": "counts", "tolerance": -1, "tolerence": 1})
    assert len(caught.value.problems) == 3


@pytest.mark.parametrize("tolerance", ["nan", "inf"])
def test_tolerance_of_everything_is_refused(tolerance: str) -> None:
    """With it no review would ever speak against a release."""
    with pytest.raises(ConfigError, match="'tolerance' must be a number that is not negative"):
        review.parse({"tolerance": float(tolerance)})
