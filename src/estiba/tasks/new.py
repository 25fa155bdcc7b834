"""`invoke new`: create a service from the template."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from estiba.errors import MissingProgramError
from estiba.process import run
from estiba.scaffold.helm import thin
from estiba.scaffold.new import create, locate_flake
from estiba.service import project as projects
from estiba.tasks.console import console, task

if TYPE_CHECKING:
    from invoke import Context


@task(
    default=True,
    help={
        "folder": "Folder to create; its name becomes that of the service's package.",
        "no-input": "Use the defaults instead of asking questions.",
        "estiba-url": "Flake reference of Estiba for flake.nix; by default the checkout around the current folder.",
        "json": "Print the result as one JSON object.",
    },
)
def new(_: Context, folder: str, no_input: bool = False, estiba_url: str = "", json: bool = False) -> None:
    """Create a service from the template."""
    made = create(Path(folder), flake=estiba_url or locate_flake(Path.cwd()), ask=not no_input)
    try:
        thin.render(projects.load(made), run)
    except MissingProgramError:
        console.warn(f"helm is not here, so {made} has no chart yet; where it is: {thin.RENDER}")
    if json:
        console.json({"folder": str(made.resolve())})
    else:
        console.result(str(made))
        console.say(
            f"next: cd {made} && git init && git add . && invoke lock && git add . && invoke fetch && invoke build"
        )
