"""Steps of the demo up to the image: scaffold, lock, fetch, build, check, verify, cache, container."""

from __future__ import annotations

import secrets
import tempfile
import threading
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from estiba.build import check, oci_image
from estiba.build.verify import proof
from estiba.cache import keys, push
from estiba.cache.address import Address
from estiba.demo.report import Outcome
from estiba.demo.repository import Repository
from estiba.errors import BuildError, EngineError, VerificationError
from estiba.fetch import apply, plan
from estiba.image import layout
from estiba.lock import freshness, resolve
from estiba.lock.context import LockContext
from estiba.process import run
from estiba.publish.engine import container, load
from estiba.scaffold import new

if TYPE_CHECKING:
    from collections.abc import Callable

    from estiba.config import Config
    from estiba.demo.report import Report
    from estiba.image.layout import Layout
    from estiba.process import Runner

    OnStatus = Callable[[str], None]

CACHE: Final = ".estiba/cache"
"""Folder of the demo's binary cache, relative to the service's."""

STATE: Final = ".estiba/local"
"""State folder of the demo's target, relative to the service's; as in `TARGET`."""

TARGET: Final = """
[tool.estiba.targets.local]
folder = ".estiba/local" # database, logs and releases, beside the sources of this demo
"""
"""Settings that are added to the demo's pyproject.toml."""
_SECONDS_TO_ANSWER: Final = 30
_SETTINGS: Final = {
    "ALLOWED_HOSTS": "localhost",
    "DATABASE_URL": "postgresql://nobody@localhost/none",
    "REDIS_URL": "redis://localhost/0",
    # /livez asks neither database nor cache; the container has none.
    "DB_WAIT_TIMEOUT": "0",
}
"""Environment variables of the demo's container, without the secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildSteps:
    """Steps up to the image; each public method is one.

    Attributes:
        folder: Folder of the service.
        settings: Configuration from the environment.
        report: Report that gets the image.
        runner: Runner of commands.
    """

    folder: Path
    settings: Config
    report: Report
    runner: Runner = run

    def scaffold(self, _: OnStatus) -> Outcome:
        """Create a service from the template, in a git repository."""
        new.create(self.folder, flake=new.locate_flake(self.folder))
        with (self.folder / "pyproject.toml").open("a", encoding="utf-8") as file:
            file.write(TARGET)
        self._repository.start("Start from the template")
        return Outcome()

    def lock(self, on_status: OnStatus) -> Outcome:
        """Resolve all versions."""
        context = self._context(on_status)
        resolve.lock(self.folder, context, fetch=lambda lock: apply.fetch(lock, context))
        self._repository.commit("Lock")
        return Outcome()

    def fetch(self, on_status: OnStatus) -> Outcome:
        """Fetch the artifacts of the lock into the store."""
        locked = freshness.check(self.folder)
        wanted = plan.plan(locked, runner=self.runner)
        arrived, counting = 0, threading.Lock()

        def advance(size: int) -> None:
            nonlocal arrived
            with counting:
                arrived += size
                on_status(f"{arrived / 1e6:.0f} of {wanted.size / 1e6:.0f} MB")

        apply.apply(locked, wanted, self._context(on_status), advance=advance)
        return Outcome(note=f"{len(wanted.files)} files, {wanted.size / 1e6:.0f} MB; {wanted.present} were there")

    def build(self, on_status: OnStatus) -> Outcome:
        """Build the image."""
        built = oci_image.build(self.folder, self.settings, on_status=on_status, runner=self.runner)
        self.report.built = built
        return Outcome(note=f"{len(built.layers)} layers for {' and '.join(built.platforms)}")

    def check(self, on_status: OnStatus) -> Outcome:
        """Run Django's checks and the tests, with PostgreSQL and Redis."""
        found = check.check(self.folder, self.settings, on_status=on_status, runner=self.runner)
        if found.failed:
            message = f"{found.failed[0].name} failed:\n{found.failed[0].tail()}"
            raise BuildError(message, hint=f"see the reports in {found.reports}")
        count = found.tests["tests"] if found.tests else 0
        return Outcome(note=f"{count} tests passed{', in an earlier run' if found.is_cached else ''}")

    def verify(self, on_status: OnStatus) -> Outcome:
        """Rebuild the image in an empty store under varied conditions, and compare."""
        found = proof.rebuild(self.folder, self.settings, on_status=on_status, runner=self.runner)
        if not found.is_same:
            message = f"built again, the image is {found.found} instead of {found.expected}"
            raise VerificationError(message, hint=f"see what differs: invoke build.verify --project {self.folder}")
        return Outcome(note="the same bytes in another store")

    def cache(self, on_status: OnStatus) -> Outcome:
        """Push the image to a binary cache in a folder, signed with a temporary key."""
        address = Address.parse(str(self.folder / CACHE))
        with tempfile.TemporaryDirectory(prefix="estiba-demo-key-") as place:
            key = keys.generate("demo-1", Path(place, "secret"), runner=self.runner)
            image = str((self.folder / oci_image.RESULT).readlink())
            wanted = push.plan(address, [image], key=key, runner=self.runner)
            on_status(f"{len(wanted.wanted)} paths, {wanted.size / 1e6:.0f} MB before compression")
            push.push(wanted, advance=lambda _: None, runner=self.runner)
        return Outcome(note=f"{len(wanted.wanted)} paths, {wanted.size / 1e6:.0f} MB before compression")

    def container(self, on_status: OnStatus) -> Outcome:
        """Run the image with production settings in the Docker engine, if there is one, and check its liveness."""
        try:
            engine = load.Engine.connect()
        except EngineError as error:
            return Outcome(skipped=error.message)
        image = self._layout()
        with closing(engine):
            on_status("loading the image")
            load.load(load.plan(image, engine), engine)
        on_status("starting it")
        environment = {**_SETTINGS, "SECRET_KEY": secrets.token_urlsafe(64)}
        with container.run(image.name, environment=environment) as url:
            status = container.wait(f"{url}/livez", seconds=_SECONDS_TO_ANSWER)
        return Outcome(note=f"{image.name} answered {status}")

    @property
    def _repository(self) -> Repository:
        return Repository(folder=self.folder, runner=self.runner)

    def _layout(self) -> Layout:
        return layout.read_built(self.folder / oci_image.RESULT, self.settings.store)

    def _context(self, on_status: OnStatus) -> LockContext:
        return LockContext(config=self.settings, folder=self.folder, tell=on_status, runner=self.runner)
