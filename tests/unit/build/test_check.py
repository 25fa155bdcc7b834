from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from estiba import config
from estiba.build.check import CheckReport, check, copy, load
from estiba.errors import BusyError, CommandError
from estiba.process import Completed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

RESULT: dict[str, Any] = {
    "checks": [
        {"code": 0, "log": "deploy.log", "name": "deploy", "seconds": 0.5},
        {"code": 1, "log": "tests.log", "name": "tests", "seconds": 1.25},
    ],
    "coverage": 0.875,
    "idle": ["shop/tests.py"],
    "tests": {"errors": 0, "failures": 1, "skipped": 0, "tests": 4},
}
START = {
    "action": "start",
    "fields": ["/nix/store/0123456789abcdfghijklmnpqrsvwxyz-check-results.drv", "", 1, 1],
    "id": 7,
    "level": 3,
    "parent": 0,
    "text": "building check-results",
    "type": 105,
}
LINE = {"action": "result", "fields": ["check deploy: running"], "id": 7, "type": 101}


class Nix:
    """Answers like Nix: the first build says what the builder prints, later ones find the result in the store."""

    def __init__(self, results: Path, *, built: bool = False) -> None:
        self.results = results
        self.built = built
        self.commands: list[str] = []

    def __call__(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        stdin: str | None = None,
        check: bool = True,
        on_line: Callable[[str], None] | None = None,
    ) -> Completed:
        """Build, or delete."""
        del env, cwd, stdin, check
        self.commands.append(" ".join(argv[:3]) if argv[1] == "store" else argv[1])
        if argv[1] == "build" and not self.built:
            assert on_line is not None
            for record in (START, LINE):
                on_line(f"@nix {json.dumps(record)}")
        self.built = argv[1] == "build"
        if "--out-link" in argv:
            Path(argv[argv.index("--out-link") + 1]).touch()
        return Completed(
            argv=tuple(argv), code=0, stdout=json.dumps([{"outputs": {"out": str(self.results)}}]), tail=""
        )


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Return what the derivation leaves, with a long log of the tests."""
    folder = tmp_path / "results"
    folder.mkdir()
    (folder / "result.json").write_text(json.dumps(RESULT))
    (folder / "deploy.log").write_text("no issues\n")
    (folder / "tests.log").write_text("".join(f"line {number}\n" for number in range(100)))
    return folder


@pytest.fixture
def service(tmp_path: Path) -> Path:
    """Return a service's folder."""
    folder = tmp_path / "service"
    folder.mkdir()
    (folder / "flake.nix").touch()
    return folder


CONFIG = dataclasses.replace(config.load(), flake="")


def test_first_run(service: Path, results: Path) -> None:
    """The reports are copied into the service's folder, and what the builder says is passed on."""
    said: list[str] = []

    checked = check(service, CONFIG, on_status=said.append, runner=Nix(results))

    assert not checked.is_cached
    assert said[-1] == "check deploy: running"
    assert [failed.name for failed in checked.failed] == ["tests"]
    assert (service / "reports" / "tests.log").read_text() == (results / "tests.log").read_text()


def test_second_run_is_cached(service: Path, results: Path) -> None:
    """Where Nix builds nothing, the outcome is the one of before."""
    assert check(service, CONFIG, runner=Nix(results, built=True)).is_cached


def test_again_forgets_what_is_in_the_store(service: Path, results: Path) -> None:
    """A result found in the store is deleted and made anew."""
    nix = Nix(results, built=True)

    checked = check(service, CONFIG, again=True, runner=nix)

    assert nix.commands == ["build", "nix store delete", "build"]
    assert not checked.is_cached


def test_again_says_who_keeps_the_result(service: Path, results: Path) -> None:
    """A result that something else refers to is not deleted, and the error says how to find out what."""

    class Kept(Nix):
        def __call__(self, argv: Sequence[str], **options: Any) -> Completed:  # noqa: ANN401 - passed on
            if argv[1] == "store":
                raise CommandError(argv, 1, "still alive")
            return super().__call__(argv, **options)

    with pytest.raises(BusyError, match=f"is in use elsewhere\n  hint: see where with: nix-store .* {results}$"):
        check(service, CONFIG, again=True, runner=Kept(results, built=True))


def test_again_runs_once_where_nothing_is_in_the_store(service: Path, results: Path) -> None:
    """What has just been run is not run a second time."""
    nix = Nix(results)

    check(service, CONFIG, again=True, runner=nix)

    assert nix.commands == ["build"]


def test_copy_replaces_reports_of_an_earlier_run(tmp_path: Path, results: Path) -> None:
    """A report that this run did not write is gone, whatever else is in the folder stays."""
    target = tmp_path / "reports"
    target.mkdir()
    for name in ("junit.xml", "notes.txt"):
        (target / name).touch()

    copy(results, target)

    assert {path.name for path in target.iterdir()} == {"deploy.log", "notes.txt", "result.json", "tests.log"}


def test_tail_is_the_end_of_the_log(results: Path) -> None:
    """A long log is cut at its beginning."""
    (failed,) = load(results, is_cached=False).failed

    assert failed.tail(2) == "line 98\nline 99"


def test_to_dict(results: Path) -> None:
    """The JSON object says what passed, how long it took, and where the reports are."""
    assert load(results, is_cached=True).to_dict() == {
        "cached": True,
        "checks": [
            {"log": str(results / "deploy.log"), "name": "deploy", "passed": True, "seconds": 0.5},
            {"log": str(results / "tests.log"), "name": "tests", "passed": False, "seconds": 1.25},
        ],
        "coverage": 0.875,
        "idle": ["shop/tests.py"],
        "passed": False,
        "reports": str(results),
        "tests": {"errors": 0, "failures": 1, "skipped": 0, "tests": 4},
    }


def test_to_dict_without_reports() -> None:
    """Numbers that were not measured are null."""
    checked = CheckReport(checks=(), is_cached=False, coverage=None, tests=None, reports=Path("reports"))

    assert checked.to_dict()["tests"] is None
    assert checked.to_dict()["passed"] is True
