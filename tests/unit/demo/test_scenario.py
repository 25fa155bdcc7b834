from __future__ import annotations

import gc
import os
import signal
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from estiba import config
from estiba.build.oci_image import Built, BuiltLayer
from estiba.demo.build_steps import STATE, TARGET, BuildSteps
from estiba.demo.deploy_steps import BEFORE, BROKEN_JOB, JOB, JOBS, PAGE
from estiba.demo.report import Outcome, Report, Step
from estiba.demo.repository import Repository
from estiba.demo.scenario import Scenario, plan
from estiba.errors import BuildError, ScaffoldError
from estiba.scaffold.new import create
from estiba.service.project import load as load_project

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Action = Callable[[Callable[[str], None]], Outcome]


@contextmanager
def stage(_: str) -> Iterator[Callable[[str], None]]:
    """Show nothing."""
    yield lambda _: None


def fine(_: object) -> Outcome:
    """Succeed."""
    return Outcome()


def failing(_: object) -> Outcome:
    """Fail."""
    raise BuildError("no steam")


def killed(_: object) -> Outcome:
    """Be asked to end, as `kill` does it."""
    os.kill(os.getpid(), signal.SIGTERM)
    return Outcome()


def scenario(*actions: Action) -> Scenario:
    """Return steps with numbers for names, and one in the end."""
    return Scenario(actions={str(number): action for number, action in enumerate(actions)}, cleanup={"down": fine})


def outcomes(finished: Scenario) -> list[tuple[str, bool]]:
    """Return the names of the steps and whether they succeeded."""
    return [(step.name, step.ok) for step in finished.report.steps]


def test_steps_come_in_order() -> None:
    """The demo takes each step once, and all went well."""
    finished = scenario(fine, fine)
    report = finished.run(stage)

    assert outcomes(finished) == [("0", True), ("1", True), ("down", True)]
    assert report.ok


def test_failed_step_ends_the_demo() -> None:
    """What failed is in the report, nothing after it is tried, and everything is taken down."""
    finished = scenario(fine, failing, fine)

    with pytest.raises(BuildError):
        finished.run(stage)

    assert outcomes(finished) == [("0", True), ("1", False), ("down", True)]
    assert not finished.report.ok


def test_request_to_end_takes_everything_down() -> None:
    """SIGTERM ends the demo as Ctrl-C does, and leaves the handlers of the process as they were."""
    before = signal.getsignal(signal.SIGTERM)
    finished = scenario(killed, fine)

    with pytest.raises(KeyboardInterrupt):
        finished.run(stage)

    assert outcomes(finished) == [("0", False), ("down", True)]
    assert signal.getsignal(signal.SIGTERM) == before


def test_taking_down_is_not_interrupted() -> None:
    """Whoever asks a second time still gets everything taken down."""
    finished = Scenario(actions={"lock": failing}, cleanup={"down": killed, "rest": fine})

    with pytest.raises(BuildError):
        finished.run(stage)

    assert outcomes(finished) == [("lock", False), ("down", True), ("rest", True)]


@pytest.mark.parametrize(
    ("options", "expected"),
    [({}, (False, True)), ({"keep": True}, (False, False)), ({"verify": True}, (True, True))],
    ids=str,
)
def test_options_choose_steps(options: dict[str, Any], expected: tuple[bool, bool]) -> None:
    """`--verify` adds a step, `--keep` leaves out the last one."""
    planned = plan(Path("/nowhere"), config.load(), **options)

    assert ("verify" in planned.actions, "down" in planned.cleanup) == expected


def test_nothing_started_is_nothing_to_end(tmp_path: Path) -> None:
    """A demo that failed before its service ran has nothing to take down, and makes no folder for it."""
    outcome = plan(tmp_path / "harbour", config.load()).cleanup["down"](lambda _: None)

    assert outcome.skipped == "nothing was started"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_container_needs_an_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no engine runs, the container is skipped with the reason; the SDK leaves a socket open then."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    making = BuildSteps(folder=tmp_path, settings=config.load(), report=Report())

    assert "no Docker engine answers" in making.container(lambda _: None).skipped
    gc.collect()


def test_summary_has_its_form() -> None:
    """`--json` prints digest, URL, the size of this platform's image, and every step with its time."""
    layers = [
        BuiltLayer(digest="sha256:1", size=size, contents=(), name="base", platform=platform, changed=True)
        for platform, size in (("x86_64-linux", 30), ("x86_64-linux", 12), ("aarch64-linux", 100))
    ]
    built = Built(digest="sha256:0", path=Path("/image"), platforms=("x86_64-linux",), layers=tuple(layers))
    steps = [
        Step(name="lock", seconds=1.234, ok=True),
        Step(name="fetch", seconds=2, ok=True, outcome=Outcome(note="3 MB")),
        Step(name="container", seconds=0, ok=True, outcome=Outcome(skipped="no engine")),
    ]
    report = Report(built=built, url="http://localhost:8000/", steps=steps)

    assert report.to_dict("x86_64-linux") == {
        "digest": "sha256:0",
        "image": {"size": 42},
        "ok": True,
        "steps": [
            {"name": "lock", "ok": True, "seconds": 1.23},
            {"name": "fetch", "note": "3 MB", "ok": True, "seconds": 2},
            {"name": "container", "ok": True, "seconds": 0, "skipped": "no engine"},
        ],
        "url": "http://localhost:8000/",
    }
    assert (report.seconds(), report.seconds("lock")) == (3.234, 1.234)


def test_demo_without_steps_is_not_ok() -> None:
    """A demo that did nothing proved nothing."""
    assert Report().to_dict("x86_64-linux")["ok"] is False


def test_template_has_what_the_demo_changes(tmp_path: Path) -> None:
    """The lines that the demo changes are there, and its target's folder is the one that it looks for."""
    folder = create(tmp_path / "harbour")
    repository = Repository(folder=folder)
    with (folder / "pyproject.toml").open("a") as file:
        file.write(TARGET)

    repository.edit(PAGE, BEFORE, "Changed.")
    repository.edit(JOBS, JOB, BROKEN_JOB)

    assert "Changed." in (folder / "harbour/templates/index.html").read_text()
    assert "count() // 0" in (folder / "harbour/jobs.py").read_text()
    assert load_project(folder).targets["local"]["folder"] == STATE


def test_missing_line_is_named(tmp_path: Path) -> None:
    """A template that lacks the line fails at the change, not at the page that does not change."""
    (tmp_path / "page.html").write_text("Welcome.")

    with pytest.raises(ScaffoldError, match=r"no \*\.html of the template holds 'Nothing'"):
        Repository(folder=tmp_path).edit("*.html", "Nothing", "Something")
