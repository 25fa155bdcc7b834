"""`invoke adopt`: make a service of an existing Django project."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from estiba import files
from estiba.scaffold import new
from estiba.scaffold.adopt import adoption
from estiba.tasks.console import console, task

if TYPE_CHECKING:
    from invoke import Context


@task(
    default=True,
    help={
        "folder": "Folder of the Django project.",
        "estiba-url": "Flake reference of Estiba for flake.nix; by default the checkout around the current folder.",
        "settings": "Settings module, where manage.py does not name the right one.",
        "wsgi": "WSGI application as MODULE:ATTRIBUTE or MODULE, where it is not found.",
        "dry-run": "Show what would be written, and write nothing.",
        "json": "Print the result as one JSON object.",
    },
)
def adopt(  # noqa: PLR0917 - Invoke passes options by position
    _: Context,
    folder: str,
    estiba_url: str = "",
    settings: str = "",
    wsgi: str = "",
    dry_run: bool = False,
    json: bool = False,
) -> None:
    """Make a service of an existing Django project.

    Files of the project are analysed, never executed or overwritten; pyproject.toml and .gitignore are appended to.
    """
    flake = estiba_url or new.locate_flake(Path.cwd())
    found = adoption.plan(Path(folder), flake=flake, settings=settings, wsgi=wsgi)
    if not dry_run:
        adoption.apply(found)
    if json:
        console.json(found.to_dict())
        return
    for sentence in found.decided:
        console.say(sentence)
    for sentence in found.undecided:
        console.warn(sentence)
    for name in found.kept:
        console.say(f"{name} is left unchanged")
    said = "would write" if dry_run else "wrote"
    console.result(f"{said} {', '.join(sorted(found.files))}" if found.files else "nothing to write")
    if dry_run:
        return
    add = "git add the new files" if files.find_repository(Path(folder).resolve()) else "git init, git add ."
    enter = [] if Path(folder).resolve() == Path.cwd() else [f"cd {folder}"]
    steps = [*enter, *(["resolve the warnings"] if found.undecided else []), add, "invoke lock", "git add estiba.lock"]
    console.say(f"next: {', '.join(steps)},")
    console.say("then invoke fetch, invoke build, and invoke deploy to run it on this machine")
