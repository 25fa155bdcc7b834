"""`invoke compose.*`: files for Docker Compose, and a picture of what they run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from estiba.scaffold import compose
from estiba.service import project as projects
from estiba.tasks.console import console, task

if TYPE_CHECKING:
    from invoke import Context

_PROJECT = "Folder of the service."


@task(help={"project": _PROJECT, "json": "Print the result as one JSON object."})
def render(_: Context, *, project: str = ".", json: bool = False) -> None:
    """Write the files for Docker Compose and Tilt, and a picture of the parts.

    They are docker-compose.yml, docker-compose.dev.yml, Tiltfile and docs/architecture.md.
    """
    changed = compose.render(projects.load(Path(project)))
    console.changed(changed, as_json=json)


@task(help={"project": _PROJECT, "hosts": "Host names that the service answers to, between commas."})
def env(_: Context, *, hosts: str, project: str = ".") -> None:
    """Write .env with what a server needs, its secrets among it."""
    left = compose.write_env(projects.load(Path(project)), hosts)
    console.say(f"fill in {', '.join(left)}" if left else "nothing is left to fill in")
    console.result(compose.ENV)


@task(help={"project": _PROJECT})
def check(_: Context, *, project: str = ".") -> None:
    """Check that the files are those that `compose.render` writes."""
    compose.check(projects.load(Path(project)))
