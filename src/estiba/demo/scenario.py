"""Sequence of the demo's steps, with the time of each, and the cleanup at the end."""

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

    OnStatus = Callable[[str], None]
    Stage = Callable[[str], AbstractContextManager[OnStatus]]
    Action = Callable[[OnStatus], Outcome]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """Steps of a demo.

    Attributes:
        actions: Function of each step by its name, in order.
        cleanup: Functions that run at the end in any case, by name.
        report: Report that gets each step.
    """

    actions: Mapping[str, Action]
    cleanup: Mapping[str, Action]
    report: Report = field(default_factory=Report)

    def run(self, stage: Stage) -> Report:
        """Run all steps, then the cleanup.

        Args:
            stage: Context manager factory that displays one step; takes its name, yields a callback for progress.

        Raises:
            EstibaError: A step failed; it is the last one in `report` before the cleanup.
            KeyboardInterrupt: The process got SIGINT, SIGTERM or SIGHUP.
        """
        with interruption.raised():
            try:
                for name, action in self.actions.items():
                    self._run(name, action, stage)
            finally:
                with interruption.ignored():
                    for name, action in self.cleanup.items():
                        self._run(name, action, stage)
        return self.report

    def _run(self, name: str, action: Action, stage: Stage) -> None:
        started = time.monotonic()
        ok, outcome = False, Outcome()
        try:
            with stage(name) as on_status:
                outcome = action(on_status)
            ok = True
        finally:
            self.report.steps.append(Step(name=name, seconds=time.monotonic() - started, ok=ok, outcome=outcome))


def plan(folder: Path, settings: Config, *, keep: bool = False, verify: bool = False, runner: Runner = run) -> Scenario:
    """Return the steps of the demo.

    Args:
        folder: Folder of the service, which must not exist yet.
        settings: Configuration from the environment.
        keep: Leave the service running.
        verify: Also rebuild the image in an empty store, and compare.
        runner: Runner of commands.
    """
    report = Report()
    build = BuildSteps(folder=folder, settings=settings, report=report, runner=runner)
    deploy = DeploySteps(folder=folder, settings=settings, report=report, runner=runner)
    actions: dict[str, Action] = {
        "scaffold": build.scaffold,
        "lock": build.lock,
        "fetch": build.fetch,
        "build": build.build,
        "check": build.check,
        **({"verify": build.verify} if verify else {}),
        "cache": build.cache,
        "deploy": deploy.deploy,
        "smoke": deploy.smoke,
        "change": deploy.change,
        "break": deploy.break_release,
        "rollback": deploy.roll_back,
        "container": build.container,
    }
    return Scenario(actions=actions, cleanup={} if keep else {"down": deploy.down}, report=report)
