"""The whole way of a service, step by step, with the time of each; what runs in the end is taken down."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from estiba.demo import interruption
from estiba.demo.build_steps import BuildSteps
from estiba.demo.deploy_steps import DeploySteps
from estiba.demo.report import Outcome, Report, Step
from estiba.process import run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from estiba.config import Config
    from estiba.process import Runner

    Note = Callable[[str], None]
    Stage = Callable[[str], AbstractContextManager[Note]]
    Act = Callable[[Note], Outcome]


@dataclass(frozen=True, slots=True, kw_only=True)
class Journey:
    """Steps to be taken.

    Attributes:
        acts: What each step does, by its name, in order.
        last: What is done in the end, however far the others came; empty where nothing is.
        report: Grows with every step.
    """

    acts: Mapping[str, Act]
    last: Mapping[str, Act]
    report: Report = field(default_factory=Report)

    def run(self, stage: Stage) -> Report:
        """Take all steps.

        Args:
            stage: Shows one step; takes its name and gives a function for what happens inside.

        Raises:
            EstibaError: A step failed; `report` tells how far the demo came.
            KeyboardInterrupt: Somebody asked to end it.
        """
        with interruption.raised():
            try:
                for name, act in self.acts.items():
                    self._take(name, act, stage)
            finally:
                with interruption.held_off():
                    for name, act in self.last.items():
                        self._take(name, act, stage)
        return self.report

    def _take(self, name: str, act: Act, stage: Stage) -> None:
        started = time.monotonic()
        ok, outcome = False, Outcome()
        try:
            with stage(name) as note:
                outcome = act(note)
            ok = True
        finally:
            self.report.steps.append(Step(name=name, seconds=time.monotonic() - started, ok=ok, outcome=outcome))


def plan(folder: Path, settings: Config, *, keep: bool = False, verify: bool = False, runner: Runner = run) -> Journey:
    """Return the steps of the demo.

    Args:
        folder: The service's folder, which must not exist yet.
        settings: What the environment says.
        keep: Leave the service running.
        verify: Also build the image again in another world, and compare.
        runner: Runs commands.
    """
    report = Report()
    making = BuildSteps(folder=folder, settings=settings, report=report, runner=runner)
    life = DeploySteps(folder=folder, settings=settings, report=report, runner=runner)
    acts: dict[str, Act] = {
        "scaffold": making.scaffold,
        "lock": making.lock,
        "fetch": making.fetch,
        "build": making.build,
        "check": making.check,
        **({"verify": making.verify} if verify else {}),
        "cache": making.cache,
        "deploy": life.deploy,
        "smoke": life.smoke,
        "change": life.change,
        "break": life.take_back,
        "rollback": life.roll_back,
        "container": making.container,
    }
    return Journey(acts=acts, last={} if keep else {"down": life.down}, report=report)
