"""Releases of a small repository to targets that are folders: everything of a release but Nix and a server.

As a program it runs a release that is killed at a moment.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from estiba import config, files
from estiba.deploy.logbook import Record
from estiba.deploy.target import Changes, Finished, Observation, PlannedMigration, Release, Report
from estiba.digest import Digest
from estiba.errors import ChoiceError, DeployError, EstibaError, RolledBackError, TargetError
from estiba.release import journal as journals
from estiba.release import settings as release_settings
from estiba.release.run.execution import Execution
from estiba.release.run.planning import Options
from estiba.release.run.workspace import Workspace
from estiba.release_manifest import Contents, Migrations, ReleaseManifest
from estiba.service import project as projects

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from estiba.release.journal import Journal

SETTINGS: Final = """\
[project]
name = "shop"
version = "{version}"
dependencies = []
[tool.estiba]
manage = ""
[tool.estiba.targets]
staging = {{}}
production = {{}}
[tool.estiba.release.gates]
check-deploy = false
migrations = false
sandbox = false
tests = false
"""
"""Only the gates about the targets; the others want Nix."""

CONTRACT: Final = "shop.0002_contract"
NOTHING: Final = Migrations(heads={}, names=(), contracts={}, irreversible={})
BREAKING: Final = Migrations(
    heads={"shop": ("0002_contract",)},
    names=(CONTRACT,),
    contracts={CONTRACT: ("drops a column",)},
    irreversible={},
)


def git(folder: Path, *arguments: str) -> str:
    """Run git without this machine's settings and return what it says."""
    env = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
    who = ["-c", "user.name=Shop", "-c", "user.email=shop@example.com"]
    argv = ["git", "-C", str(folder), *who, *arguments]
    return subprocess.run(argv, env=env, check=True, capture_output=True, text=True).stdout.strip()


def create(folder: Path, version: str = "1.0.0", *, settings: str = "") -> Path:
    """Create a service in a repository of its own, with one tagged commit."""
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=main")
    (folder / "README").write_text("Shop\n")
    return commit(folder, version, "feat: Open the shop", settings=settings)


def commit(folder: Path, version: str, subject: str, *, settings: str = "") -> Path:
    """Commit a version of the service and tag it."""
    (folder / "pyproject.toml").write_text(SETTINGS.format(version=version) + settings)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", subject)
    git(folder, "tag", f"v{version}")
    return folder


@dataclass(frozen=True, kw_only=True)
class FolderTarget:
    """Target that keeps what it serves in a file, with faults on demand.

    Attributes:
        folder: Its state: `served.json`, and files that are named after faults.
        moment: Called with the name of each moment of a command.
    """

    folder: Path
    moment: Callable[[str], None] = field(default=lambda _: None)
    contents: Contents = Contents.HOST
    chart: Path | None = None

    def deploy(self, manifest: ReleaseManifest, *, on_status: Callable[[str], None], contract: bool = False) -> Record:
        """Serve a release, in two moves."""
        on_status("deploying")
        record = Record.begin("deploy")
        changes = self.plan(manifest)
        if not changes.is_pending:
            return self._close(record.end("unchanged", version=manifest.version, digest=digest(manifest)))
        if not contract and any(one.contracts for one in changes.migrations):
            raise DeployError("it contracts")
        self.moment(f"deploy {self.folder.name}")
        if self._has("broken"):
            said = (self.folder / "broken").read_text() or "pages answer 500"
            raise RolledBackError(f"{said}\n  evidence: here", hint="")
        # A new number alone: the revision is there, and nothing serves it yet.
        state = self._state()
        names = list(manifest.migrations.names)
        one = {"commit": manifest.commit, "digest": digest(manifest), "names": names, "version": manifest.version}
        self._save({**state, "left": one, "number": state["number"] + 1})
        self.moment(f"switch {self.folder.name}")
        state = self._state()
        self._save({**state, "history": [*state["history"], one], "left": None})
        self.moment(f"served {self.folder.name}")
        return self._close(record.end("deployed", version=manifest.version, digest=digest(manifest)))

    def plan(self, manifest: ReleaseManifest) -> Changes:
        """Compare a release with the one that is served."""
        if self._has("unreachable"):
            raise TargetError("nobody answers")
        state = self._state()
        served = state["history"][-1] if state["history"] else {"digest": "", "names": ""}
        migrations = manifest.migrations
        return Changes(
            is_pending=served["digest"] != digest(manifest),
            before=self._release(),
            migrations=tuple(
                PlannedMigration(name=name, contracts=migrations.contracts.get(name, ()))
                for name in migrations.names
                if name not in served["names"]
            ),
            commands=(("serve", str(manifest.host)),),
            state={"number": str(state["number"]), "served": str(served["digest"])},
        )

    def check(self, manifest: ReleaseManifest) -> tuple[str, ...]:
        """Return that it is full, if it is."""
        del manifest
        return ("the folder is full",) if self._has("full") else ()

    def variables(self) -> frozenset[str]:
        """Return what a service needs."""
        return frozenset({"SECRET_KEY", "DATABASE_URL"})

    def smoke(self, *, on_status: Callable[[str], None]) -> None:
        """Fail if told so."""
        on_status("looking")
        self.moment(f"smoke {self.folder.name}")
        if self._has("smoking"):
            raise DeployError("/ answers 500")

    def observe(self, since: datetime) -> Observation:
        """Return that all is well, or nothing."""
        del since
        return Observation(requests=10, failures=10 if self._has("failing") else 0, restarts=0)

    def unlock(self) -> str:
        """Return that nobody holds it."""
        return ""

    def chain(self) -> list[str] | None:
        """Return None: there is no chain."""
        return None

    def records(self) -> list[Record]:
        """Return what was done."""
        return [Record.from_dict(one) for one in self._state()["records"]]

    def rollback(self, *, on_status: Callable[[str], None], contract: bool = False, to: str = "") -> Record:
        """Serve the release before."""
        del contract, to
        on_status("rolling back")
        state = self._state()
        if state["left"]:
            self._save({**state, "left": None})
            return self._close(Record.begin("rollback").end("rolled back", version=self.version))
        if len(state["history"]) < 2:
            raise DeployError("there is no earlier release to roll back to")
        self._save({**state, "history": state["history"][:-1], "number": state["number"] + 1})
        record = Record.begin("rollback")
        return self._close(record.end("rolled back", version=self.version, digest=state["history"][-2]["digest"]))

    def down(self, *, on_status: Callable[[str], None]) -> Record:
        """Serve nothing."""
        raise NotImplementedError

    def manage(self, args: Sequence[str]) -> Finished:
        """Run nothing."""
        raise ChoiceError("command", args[0], [])

    def attach(self, args: Sequence[str]) -> int:
        """Run nothing."""
        raise ChoiceError("command", args[0], [])

    def status(self) -> Report:
        """Return what is served."""
        if self._has("unreachable"):
            raise TargetError("nobody answers")
        return Report(
            target=self.folder.name,
            kind="folder",
            service="shop",
            is_ready=True,
            release=self._release(),
            left=self._describe(self._state()["left"]),
            workloads=(),
            addresses={},
            last=None,
            notes=(),
        )

    def logs(self, *, tail: int, process: str, follow: bool) -> Iterator[str]:
        """Yield nothing."""
        raise NotImplementedError

    def addresses(self) -> dict[str, str]:
        """Return none."""
        return {}

    @property
    def version(self) -> str:
        """Version that is served."""
        found = self._release()
        return found.version if found else ""

    def break_by(self, fault: str) -> None:
        """Have a fault from now on."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / fault).touch()

    def mend(self, fault: str) -> None:
        """Have a fault no more."""
        (self.folder / fault).unlink()

    def _has(self, fault: str) -> bool:
        return (self.folder / fault).exists()

    def _release(self) -> Release | None:
        return self._describe(next(reversed(self._state()["history"]), None))

    def _describe(self, one: dict[str, Any] | None) -> Release | None:
        number = self._state()["number"]
        known = {key: one[key] for key in ("commit", "digest", "version")} if one else {}
        return Release(number=number, **known) if one else None

    def _state(self) -> dict[str, Any]:
        path = self.folder / "served.json"
        found: dict[str, Any] = {"history": [], "left": None, "number": 0, "records": []}
        return {**found, **json.loads(path.read_text())} if path.exists() else found

    def _save(self, state: dict[str, Any]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        files.write(self.folder / "served.json", json.dumps(state))

    def _close(self, record: Record) -> Record:
        state = self._state()
        self._save({**state, "records": [*state["records"], record.to_dict()]})
        return record


def digest(manifest: ReleaseManifest) -> str:
    """Return the digest of what a folder serves of a release."""
    return str(Digest.of_bytes(str(manifest.host).encode()))


def workspace(
    folder: Path,
    *names: str,
    state: Path,
    moment: Callable[[str], None] = lambda _: None,
    migrations: Migrations = NOTHING,
) -> Workspace:
    """Return a service whose targets are folders, and whose build is named after its commit.

    Args:
        folder: Folder of the service.
        names: Names of the targets; by default those of its settings.
        state: Folder for journals; that of the targets is `targets` beside the service.
        moment: Called with the name of each moment of a target.
        migrations: Migrations of the release.
    """
    project = projects.load(folder)
    settings = release_settings.parse(project)

    def build(contents: Contents, on_status: Callable[[str], None]) -> ReleaseManifest:
        on_status("building")
        head = git(folder, "rev-parse", "HEAD")
        return ReleaseManifest(
            service="shop",
            version=project.version,
            commit=head,
            lock=Digest.of_bytes(b"lock"),
            migrations=migrations,
            image=None,
            host=Path("/nix/store", f"{head[:32]}-{contents.value}"),
        )

    places = {name: folder.parent / "targets" / name for name in names or settings.targets}
    return Workspace(
        folder=folder,
        project=project,
        config=configuration(state),
        settings=settings,
        targets={name: FolderTarget(folder=place, moment=moment) for name, place in places.items()},
        contents=Contents.HOST,
        build=build,
    )


def configuration(state: Path) -> config.Config:
    """Return a configuration that has everything below one folder."""
    found = config.load()
    return replace(found, cache_dir=state / "cache", state_dir=state, docker_config=state / "docker", flake="")


@contextmanager
def quiet(label: str) -> Iterator[Callable[[str], None]]:
    """Show nothing of a step."""
    del label
    yield lambda _: None


def release(service: Workspace, **options: Any) -> Journal:  # noqa: ANN401 - fields of Options
    """Run a release in this process."""
    return Execution(workspace=service, progress=quiet).start(Options(**options))


def resume(service: Workspace, journal: Journal, **options: Any) -> Journal:  # noqa: ANN401 - fields of Options
    """Go on with a release in this process."""
    return Execution(workspace=service, progress=quiet).resume(journal, Options(**options))


def target(service: Workspace, name: str) -> FolderTarget:
    """Return a target of a service, which is a folder."""
    found = service.targets[name]
    assert isinstance(found, FolderTarget)
    return found


def doom(folder: Path, state: Path, moment: str, number: str = "SIGKILL") -> subprocess.CompletedProcess[str]:
    """Run a release, or go on with one, in a process that gets a signal at a moment."""
    argv = [sys.executable, "-m", __name__, str(folder), str(state), moment, number]
    root = Path(__file__).parents[2]
    env = {**os.environ, "PYTHONPATH": f"{root / 'src'}:{root}"}
    return subprocess.run(argv, env=env, cwd=root, capture_output=True, text=True, check=False)


def main(folder: Path, state: Path, wanted: str, number: str) -> None:
    """Run a release that gets a signal at a moment: `write N`, `wrote N`, or one of a target; empty for none."""

    def moment(name: str) -> None:
        if name == wanted:
            os.kill(os.getpid(), signal.Signals[number])

    lines = 0

    def write(path: Path, line: str) -> None:
        nonlocal lines
        lines += 1
        moment(f"write {lines}")
        journals.append(path, line)
        moment(f"wrote {lines}")

    service = workspace(folder, state=state, moment=moment)
    try:
        Execution(workspace=service, progress=quiet, write=write).start(Options())
    except EstibaError as error:
        leave(error.exit_code, str(error))
    except KeyboardInterrupt as error:
        leave(130, str(error))


def leave(code: int, text: str) -> NoReturn:
    """Exit with a message."""
    sys.stderr.write(f"{text}\n")
    sys.exit(code)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
