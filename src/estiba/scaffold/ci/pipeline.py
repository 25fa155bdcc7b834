"""Pipeline of a service: its jobs, each of them one call of Invoke, whatever system runs them."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

from estiba.scaffold.ci import settings as settings_of_ci

if TYPE_CHECKING:
    from estiba.scaffold.ci.settings import Settings
    from estiba.service.project import Project

CHECKOUT: Final = ".ci/estiba"
"""Git submodule with Estiba: the service's own repository pins the commit, and every CI system checks it out."""


class Trigger(Enum):
    """What a job runs for.

    Attributes:
        COMMIT: Every commit and every proposed change.
        MAIN: Every commit of the main branch.
        TAG: The tag of a release.
    """

    COMMIT = "commit"
    MAIN = "main"
    TAG = "tag"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One call of Invoke on a machine of its own.

    Attributes:
        name: Name of the job.
        stage: Stage of the job: `build`, `test` or `deploy`.
        trigger: What it runs for.
        tasks: Tasks with their options, as the words after `invoke`.
        target: Target that it releases to, or an empty string.
        after: Names of the jobs that have to end well before it.
        is_manual: Whether a person starts it.
    """

    name: str
    stage: str
    trigger: Trigger
    tasks: tuple[str, ...]
    target: str = ""
    after: tuple[str, ...] = ()
    is_manual: bool = False

    @property
    def command(self) -> str:
        """The one command of the job, which brings Nix, Estiba and its tools where the machine has none."""
        # Helm and kubectl are in the whole shell; all else does with what builds.
        shell = "default" if self.target else "build"
        entered = [f"{CHECKOUT}/nixw", "develop", f"path:{CHECKOUT}#{shell}", "--command"]
        return shlex.join([*entered, "invoke", *self.tasks])


@dataclass(frozen=True, slots=True, kw_only=True)
class Releases:
    """What a pipeline knows of a service's releases.

    Attributes:
        targets: Names of the targets in the order in which a release reaches them.
        tags: Glob of the tags of releases.
    """

    targets: tuple[str, ...]
    tags: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """All jobs of a service.

    Attributes:
        tags: Glob of the tags of releases.
        settings: Settings of the service's CI.
        jobs: Jobs in their order.
    """

    tags: str
    settings: Settings
    jobs: tuple[Job, ...]


def plan(project: Project, releases: Releases) -> Pipeline:
    """Return the pipeline of a service: build and check each commit, then release each tag to one target after another.

    Raises:
        ConfigError: Settings of the CI are invalid.
    """
    wanted = settings_of_ci.parse(project)
    checks = ("chart.check",) if (project.folder / "helm" / project.name).is_dir() else ()
    cache = ("fetch", "build", "cache.push", wanted.cache, "--inputs")
    jobs = [
        Job(name="build", stage="build", trigger=Trigger.COMMIT, tasks=("fetch", "--image", "build")),
        Job(name="check", stage="test", trigger=Trigger.COMMIT, tasks=("ci.check", *checks, "fetch", "check")),
    ]
    if wanted.cache:
        jobs.append(Job(name="cache", stage="build", trigger=Trigger.MAIN, tasks=cache))
    targets = [name for name in releases.targets if name != "local"]
    before: tuple[str, ...] = ()
    for number, target in enumerate(targets):
        tasks = ("fetch", "release", "--target", target)
        # The last of several is production: a person starts it.
        manual = 0 < number == len(targets) - 1
        jobs.append(
            Job(
                name=target,
                stage="deploy",
                trigger=Trigger.TAG,
                tasks=tasks,
                target=target,
                after=before,
                is_manual=manual,
            )
        )
        before = (target,)
    return Pipeline(tags=releases.tags, settings=wanted, jobs=tuple(jobs))
