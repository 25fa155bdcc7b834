"""`invoke ci.*`: files of CI systems, whose jobs are calls of these tasks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from estiba.errors import UsageError
from estiba.release import settings as release_settings
from estiba.scaffold.ci import front_ends
from estiba.scaffold.ci.pipeline import Releases
from estiba.service import project as projects
from estiba.tasks.console import console, task
from estiba.tasks.options import choose

if TYPE_CHECKING:
    from invoke import Context

    from estiba.service.project import Project

_PROJECT = "Folder of the service."


@task(
    help={
        "kind": "CI system: github, gitlab or concourse; by default those whose files are there.",
        "project": _PROJECT,
        "json": "Print the result as one JSON object.",
    }
)
def render(_: Context, *, kind: str = "", project: str = ".", json: bool = False) -> None:
    """Write the files of a CI system: build and check each commit, release each tag."""
    chosen = choose("CI system", kind, list(front_ends.KINDS))
    kinds = [chosen] if chosen else front_ends.find_used(Path(project))
    if not kinds:
        msg = "there is no file of a CI system yet"
        raise UsageError(msg, hint=f"{front_ends.RENDER} --kind {' | '.join(front_ends.KINDS)}")
    loaded = projects.load(Path(project))
    changed = front_ends.render(loaded, kinds, _releases(loaded))
    console.changed(changed, as_json=json)


@task(help={"project": _PROJECT})
def check(_: Context, *, project: str = ".") -> None:
    """Check that the files of CI systems are those that `ci.render` writes."""
    loaded = projects.load(Path(project))
    front_ends.check(loaded, _releases(loaded))


def _releases(project: Project) -> Releases:
    settings = release_settings.parse(project)
    return Releases(targets=settings.targets, tags=settings.tag.replace(release_settings.VERSION, "*"))
