"""`invoke server`: the server of a target with `ssh`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from estiba import config
from estiba.deploy import targets
from estiba.deploy.ssh.target import SshTarget
from estiba.errors import TargetError
from estiba.tasks.console import console, task

if TYPE_CHECKING:
    from invoke import Context


@task(
    help={
        "target": "Target with `ssh`.",
        "project": "Folder of the service.",
        "json": "Print what was found as one JSON object.",
    }
)
def prepare(_: Context, *, target: str = "production", project: str = ".", json: bool = False) -> None:
    """Check what a server has, say what is missing, and bring Nix there.

    The first `deploy` brings the same; nothing is changed on a server that lacks something.
    """
    destination = targets.load(Path(project), target, config.load())
    if not isinstance(destination, SshTarget):
        msg = f"the target {target} has no server"
        raise TargetError(msg, hint=f"set ssh in [tool.estiba.targets.{target}]")
    findings = destination.inspect()
    rows = [(one.name, one.asked, one.found, "" if one.problem and not one.is_advice else "ok") for one in findings]
    if json:
        console.json(
            {
                "findings": [
                    {"name": one.name, "asked": one.asked, "found": one.found, "missing": one.problem}
                    for one in findings
                ]
            }
        )
    else:
        console.table(("what", "asked", "found", ""), rows)
    for one in findings:
        if one.problem and one.is_advice:
            console.warn(f"the server lacks {one.problem}")
    if missing := [one.problem for one in findings if one.problem and not one.is_advice]:
        msg = f"the server of {target} lacks {'; '.join(missing)}"
        raise TargetError(msg, hint=f"change the server, or server in [tool.estiba.targets.{target}]")
    with console.step(f"prepare the server of {target}") as on_status:
        destination.session.server.copy([], on_status=on_status)
