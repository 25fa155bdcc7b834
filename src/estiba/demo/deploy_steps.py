"""Steps of the demo from the deployment on: smoke test, new release, failed release and rollback, under load."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from estiba.build import release
from estiba.demo import traffic
from estiba.demo.build_steps import STATE
from estiba.demo.report import Outcome
from estiba.demo.repository import Repository
from estiba.deploy import targets
from estiba.errors import DeployError
from estiba.process import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from estiba.config import Config
    from estiba.demo.report import Report
    from estiba.demo.traffic import Traffic
    from estiba.deploy.logbook import Record
    from estiba.deploy.target import Target
    from estiba.process import Runner

    OnStatus = Callable[[str], None]

BEFORE: Final = "Nothing is written yet."
AFTER: Final = "Nothing is written yet, but a line was changed."
"""Text of the front page in the template, and after the change."""

PAGE: Final = "*/templates/index.html"
JOBS: Final = "*/jobs.py"
JOB: Final = "Entry.objects.count()"
BROKEN_JOB: Final = "Entry.objects.count() // 0"
"""Files that are changed, and the expression that makes the job fail."""

_PROBE: Final = "try_worker"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploySteps:
    """Steps from the deployment on; each public method is one.

    Attributes:
        folder: Folder of the service.
        settings: Configuration from the environment.
        report: Report that gets the URL.
        runner: Runner of commands.
    """

    folder: Path
    settings: Config
    report: Report
    runner: Runner = run

    def deploy(self, on_status: OnStatus) -> Outcome:
        """Deploy to this machine: nginx, gunicorn, worker, scheduler, PostgreSQL and Redis."""
        record = self._deploy(on_status)
        self.report.url = self._target.addresses()["page"]
        return Outcome(note=f"{len(record.migrations)} migrations; {self.report.url} answers")

    def smoke(self, _: OnStatus) -> Outcome:
        """Request the front page and the readiness check, and run a job through the queue."""
        self._expect(BEFORE)
        answers = json.loads(traffic.fetch_page(self._port, "/readyz"))
        if set(answers.values()) != {"ok"}:
            msg = f"/readyz says {answers}"
            raise DeployError(msg, hint="invoke logs")
        job = self._target.manage([_PROBE])
        if not job.has_passed:
            msg = f"manage.py {_PROBE} failed:\n{job.tail()}"
            raise DeployError(msg, hint="invoke logs --process worker")
        return Outcome(note=f"page, {', '.join(sorted(answers))}; a job counted {job.tail(1).strip()}")

    def change(self, on_status: OnStatus) -> Outcome:
        """Change a line and deploy it under load; no request may fail."""
        self._repository.edit(PAGE, BEFORE, AFTER)
        self._repository.commit("Change a line")
        with self._load() as seen:
            seconds = self._time(lambda: self._deploy(on_status))
            self._expect(AFTER)
        return Outcome(note=f"served {seconds:.1f} s after the command; {seen.count} requests, none failed")

    def break_release(self, on_status: OnStatus) -> Outcome:
        """Deploy a release whose job fails, and check that the previous one is served again."""
        self._repository.edit(JOBS, JOB, BROKEN_JOB)
        self._repository.commit("Break the job")
        before = self._served
        with self._load() as seen:
            self._deploy_broken(on_status)
            self._expect(AFTER)
        self._repository.revert()
        if not self._target.status().is_ready or self._served != before:
            msg = f"{self._served or 'nothing'} is served instead of the release before the broken one"
            raise DeployError(msg, hint="invoke status")
        return Outcome(note=f"its job failed, so it was taken back; {seen.count} requests, none failed")

    def roll_back(self, on_status: OnStatus) -> Outcome:
        """Roll back to the release before the change, under load."""
        with self._load() as seen:
            seconds = self._time(lambda: self._target.rollback(on_status=on_status))
            self._expect(BEFORE)
        return Outcome(note=f"served {seconds:.1f} s after the command; {seen.count} requests, none failed")

    def down(self, on_status: OnStatus) -> Outcome:
        """Stop all processes, if any were started."""
        if not (self.folder / STATE).exists():
            return Outcome(skipped="nothing was started")
        self._target.down(on_status=on_status)
        return Outcome()

    def _deploy(self, on_status: OnStatus) -> Record:
        target = self._target
        manifest = release.build(self.folder, target.contents, self.settings, on_status=on_status, runner=self.runner)
        return target.deploy(manifest, on_status=on_status)

    def _deploy_broken(self, on_status: OnStatus) -> None:
        try:
            self._deploy(on_status)
        except DeployError as error:
            last = self._target.status().last
            if last is None or last.result != "taken back":
                raise
            on_status(error.message.splitlines()[0])
            return
        msg = "a release whose job fails was kept"
        raise DeployError(msg, hint="invoke status")

    @contextmanager
    def _load(self) -> Iterator[Traffic]:
        """Send requests while the block runs.

        Raises:
            DeployError: A request failed.
        """
        with traffic.running(self._port) as seen:
            yield seen
        # No request at all would prove nothing.
        if seen.failed or not seen.count:
            msg = f"of {seen.count} requests {sum(seen.failed.values())} failed: {seen.failed}"
            raise DeployError(msg, hint="invoke logs --process nginx")

    def _expect(self, text: str) -> None:
        if text not in traffic.fetch_page(self._port):
            msg = f"{self.report.url} does not say {text!r}"
            raise DeployError(msg, hint="invoke status")

    def _time(self, act: Callable[[], object]) -> float:
        started = time.monotonic()
        act()
        return time.monotonic() - started

    @property
    def _served(self) -> str:
        """Digest of the release that is served, or an empty string."""
        served = self._target.status().release
        return served.digest if served else ""

    @property
    def _port(self) -> int:
        return urlsplit(self.report.url).port or 80

    @property
    def _repository(self) -> Repository:
        return Repository(folder=self.folder, runner=self.runner)

    @property
    def _target(self) -> Target:
        return targets.load(self.folder, targets.DEFAULT, self.settings)
