"""The whole way of a service, from the template to an answered request, with the time of each step."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from estiba import build, check
from estiba.errors import BuildError, EngineError, VerificationError
from estiba.image import container, layout, load
from estiba.lock import fetch, resolve
from estiba.lock.workshop import Workshop
from estiba.process import run
from estiba.scaffold import service
from estiba.verify import proof

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from estiba.build import Built
    from estiba.config import Config
    from estiba.image.layout import Layout
    from estiba.process import Runner

    Note = Callable[[str], None]
    Stage = Callable[[str], AbstractContextManager[Note]]
    Act = Callable[[Note], str]

_SECONDS_TO_ANSWER: Final = 30
_AUTHOR: Final = ("-c", "user.name=Estiba", "-c", "user.email=estiba@localhost", "-c", "commit.gpgsign=false")
_SETTINGS: Final = {
    "ALLOWED_HOSTS": "localhost",
    "DATABASE_URL": "postgresql://nobody@localhost/none",
    "REDIS_URL": "redis://localhost/0",
    # /livez asks neither database nor cache; the demo has none.
    "DB_WAIT_TIMEOUT": "0",
}
"""Production settings of the demo's container, without the secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step: its name, how long it took, whether it succeeded, and why it was skipped, if it was."""

    name: str
    seconds: float
    ok: bool
    skipped: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the form for `--json`."""
        skipped = {"skipped": self.skipped} if self.skipped else {}
        return {"name": self.name, "ok": self.ok, "seconds": round(self.seconds, 2), **skipped}


@dataclass(slots=True, kw_only=True)
class Report:
    """What the demo has come to; grows with every step, so that it also tells about a demo that failed."""

    built: Built | None = None
    url: str = ""
    steps: list[Step] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether every step so far succeeded."""
        return bool(self.steps) and all(step.ok for step in self.steps)

    def to_dict(self, platform: str) -> dict[str, Any]:
        """Return what `invoke demo --json` prints; the image's size is that of one platform, compressed."""
        layers = self.built.layers if self.built else ()
        return {
            "digest": self.built.digest if self.built else "",
            "image": {"size": sum(layer.size for layer in layers if layer.platform == platform)},
            "ok": self.ok,
            "steps": [step.to_dict() for step in self.steps],
            "url": self.url,
        }


class Demo:
    """A service on its way; each method is a step and returns why it was skipped, or an empty string."""

    def __init__(self, folder: Path, settings: Config, *, keep: bool = False, runner: Runner = run) -> None:
        self.report = Report()
        self._folder = folder
        self._settings = settings
        self._keep = keep
        self._runner = runner

    def run(self, stage: Stage) -> Report:
        """Take all steps.

        Args:
            stage: Shows one step; takes its name and gives a function for what happens inside.

        Raises:
            EstibaError: A step failed; `report` tells how far the demo came.
        """
        acts = (self.scaffold, self.lock, self.fetch, self.build, self.check, self.verify, self.load, self.serve)
        for act in acts:
            self._take(act.__name__, act, stage)
        return self.report

    def scaffold(self, _: Note) -> str:
        """Make a service from the template, under version control."""
        service.create(self._folder, flake=service.locate_flake(self._folder))
        self._git("init", "--quiet")
        return self._commit("Start from the template")

    def lock(self, note: Note) -> str:
        """Decide all versions."""
        resolve.lock(self._folder, self._workshop(note))
        return self._commit("Lock")

    def fetch(self, note: Note) -> str:
        """Bring what the lock names into the store."""
        locked = resolve.check(self._folder)
        wanted = fetch.plan(locked, runner=self._runner)
        note(f"{len(wanted.files)} artifacts, {wanted.size / 1e6:.0f} MB")
        fetch.apply(locked, wanted, self._workshop(note), advance=lambda _: None)
        return ""

    def build(self, note: Note) -> str:
        """Build the image."""
        self.report.built = build.build(self._folder, self._settings, on_status=note, runner=self._runner)
        return ""

    def check(self, note: Note) -> str:
        """Run its tests, beside PostgreSQL and Redis."""
        found = check.check(self._folder, self._settings, on_status=note, runner=self._runner)
        if found.failed:
            message = f"{found.failed[0].name} failed:\n{found.failed[0].tail()}"
            raise BuildError(message, hint=f"see the reports in {found.reports}")
        return ""

    def verify(self, note: Note) -> str:
        """Build it again in another world and compare."""
        found = proof.rebuild(self._folder, self._settings, on_status=note, runner=self._runner)
        if not found.is_same:
            message = f"built again, the image is {found.found} instead of {found.expected}"
            raise VerificationError(message, hint=f"see what differs: invoke build.verify --project {self._folder}")
        return ""

    def load(self, _: Note) -> str:
        """Load the image into the Docker engine, where one runs."""
        try:
            engine = load.Engine.connect()
        except EngineError as error:
            return error.message
        load.load(load.plan(self._layout(), engine), engine)
        return ""

    def serve(self, _: Note) -> str:
        """Run the image with production settings and ask whether it lives."""
        if self.report.steps[-1].skipped:
            return self.report.steps[-1].skipped
        environment = {**_SETTINGS, "SECRET_KEY": secrets.token_urlsafe(64)}
        with container.run(self._layout().name, environment=environment, keep=self._keep) as url:
            container.wait(f"{url}/livez", seconds=_SECONDS_TO_ANSWER)
            self.report.url = f"{url}/livez"
        return ""

    def _layout(self) -> Layout:
        return layout.read(self._folder / build.RESULT)

    def _workshop(self, note: Note) -> Workshop:
        return Workshop(cache=self._settings.cache_dir, tell=note, runner=self._runner)

    def _commit(self, message: str) -> str:
        self._git("add", "--all")
        self._git("commit", "--quiet", "--message", message)
        return ""

    def _git(self, *words: str) -> None:
        self._runner(["git", *_AUTHOR, *words], cwd=self._folder)

    def _take(self, name: str, act: Act, stage: Stage) -> None:
        started = time.monotonic()
        ok, skipped = False, ""
        try:
            with stage(name) as note:
                skipped = act(note)
            ok = True
        finally:
            self.report.steps.append(Step(name=name, seconds=time.monotonic() - started, ok=ok, skipped=skipped))
