from __future__ import annotations

import dataclasses
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from estiba import config
from estiba.build import Built, BuiltLayer
from estiba.demo import Demo, Report, Step
from estiba.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

STEPS = ["scaffold", "lock", "fetch", "build", "check", "verify", "load", "serve"]


class ShortDemo(Demo):
    """A demo whose steps do nothing, except for one."""

    def __init__(self, failing: str = "", skipped: str = "") -> None:
        super().__init__(Path("/nowhere"), dataclasses.replace(config.load(), color=False))
        self._failing, self._skipped = failing, skipped

    def __getattribute__(self, name: str) -> object:
        """Replace the steps."""
        if name not in STEPS:
            return super().__getattribute__(name)

        def act(_: Callable[[str], None]) -> str:
            if name == self._failing:
                raise BuildError("no steam")
            return "no engine" if name == self._skipped else ""

        act.__name__ = name
        return act


@contextmanager
def stage(_: str) -> Iterator[Callable[[str], None]]:
    """Show nothing."""
    yield lambda _: None


def test_steps_come_in_order() -> None:
    """The demo takes each step once, and all went well."""
    report = ShortDemo().run(stage)

    assert [step.name for step in report.steps] == STEPS
    assert report.ok


def test_failed_step_ends_the_demo() -> None:
    """What failed is in the report, and nothing after it is tried."""
    demo = ShortDemo(failing="build")

    with pytest.raises(BuildError):
        demo.run(stage)

    assert [(step.name, step.ok) for step in demo.report.steps[-2:]] == [("fetch", True), ("build", False)]
    assert not demo.report.ok


def test_skipped_step_says_why() -> None:
    """A skipped step is no failure, and keeps its reason."""
    report = ShortDemo(skipped="load").run(stage)

    assert report.ok
    assert report.steps[-2].skipped == "no engine"


def test_summary_has_its_form() -> None:
    """`--json` prints digest, URL, the size of this platform's image, and every step with its time."""
    layers = [
        BuiltLayer(digest="sha256:1", size=size, contents=(), name="base", platform=platform, changed=True)
        for platform, size in (("x86_64-linux", 30), ("x86_64-linux", 12), ("aarch64-linux", 100))
    ]
    built = Built(digest="sha256:0", path=Path("/image"), platforms=("x86_64-linux",), layers=tuple(layers))
    report = Report(built=built, url="http://127.0.0.1:8000/livez", steps=[Step(name="lock", seconds=1.234, ok=True)])

    assert report.to_dict("x86_64-linux") == {
        "digest": "sha256:0",
        "image": {"size": 42},
        "ok": True,
        "steps": [{"name": "lock", "ok": True, "seconds": 1.23}],
        "url": "http://127.0.0.1:8000/livez",
    }


def test_demo_without_steps_is_not_ok() -> None:
    """A demo that did nothing proved nothing."""
    assert Report().to_dict("x86_64-linux")["ok"] is False
