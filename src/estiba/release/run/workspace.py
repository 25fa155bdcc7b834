"""Service to release, with everything that a release works with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from estiba.build import release
from estiba.deploy import targets as deploy_targets
from estiba.lock import freshness
from estiba.process import run
from estiba.release import settings as release_settings
from estiba.release.journal import Journals
from estiba.release.version import Repository
from estiba.release_manifest import Contents
from estiba.service import project as projects

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from estiba.config import Config
    from estiba.deploy.target import Target
    from estiba.process import Runner
    from estiba.release.settings import Settings
    from estiba.release_manifest import ReleaseManifest
    from estiba.service.project import Project

FOLDER = "releases"
"""Folder of the journals in that of the service, below `Config.state_dir`."""


class Build(Protocol):
    """Builds a release, or finds it built."""

    def __call__(self, contents: Contents, on_status: Callable[[str], None]) -> ReleaseManifest:
        """Return the manifest of the release of the work tree."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """Service to release.

    Attributes:
        folder: Folder of the service.
        project: Settings of the service.
        config: Settings from the environment.
        settings: Settings of releases.
        targets: Targets by name, in the order in which a release reaches them.
        contents: Contents that a release has: what all targets of the service need, so that each gets the same build.
        build: Builds the release.
        runner: Runs git and Nix.
    """

    folder: Path
    project: Project
    config: Config
    settings: Settings
    targets: Mapping[str, Target]
    contents: Contents
    build: Build
    runner: Runner = run

    @property
    def repository(self) -> Repository:
        """Git repository of the service; git asks nobody for a password."""
        env = self.config.environment(GIT_TERMINAL_PROMPT="0")
        return Repository(folder=self.folder, pattern=self.settings.tag, runner=self.runner, env=env)

    @property
    def journals(self) -> Journals:
        """Journals of the service's releases."""
        return journals(self.project, self.config)

    def kind(self, target: str) -> str:
        """Return the kind of a target."""
        return str(self.project.targets.get(target, {}).get("kind", "host"))


def load(folder: Path, config: Config, target: str = "", *, names: tuple[str, ...] = ()) -> Workspace:
    """Load a service to release.

    Args:
        folder: Folder of the service.
        config: Settings from the environment.
        target: Name of the only target to release to; by default all of the settings.
        names: Names of the targets of a release that has begun, instead.

    Raises:
        ChoiceError: The service has no such target.
        ConfigError: Settings are invalid.
    """
    project = projects.load(folder)
    settings = release_settings.parse(project)
    wanted = names or ((target,) if target else settings.targets)

    def build(contents: Contents, on_status: Callable[[str], None]) -> ReleaseManifest:
        freshness.check(folder)
        return release.build(folder, contents, config, on_status=on_status)

    targets = {name: deploy_targets.load(folder, name, config) for name in dict.fromkeys((*wanted, *settings.targets))}
    return Workspace(
        folder=folder,
        project=project,
        config=config,
        settings=settings,
        targets={name: targets[name] for name in wanted},
        contents=_join(targets.values()),
        build=build,
    )


def journals(project: Project, config: Config) -> Journals:
    """Return the journals of a service's releases."""
    return Journals(folder=config.state_dir / project.name / FOLDER)


def _join(targets: Iterable[Target]) -> Contents:
    """Return the contents that a release needs for all of some targets."""
    wanted = {target.contents for target in targets}
    return wanted.pop() if len(wanted) == 1 else Contents.ALL
