"""`invoke dev.*`: run a service as its developers need it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from estiba import config
from estiba.build.flake import realise
from estiba.lock import freshness
from estiba.process import exec_program
from estiba.scaffold.compose import GATEWAY
from estiba.tasks import services
from estiba.tasks.console import console, task

if TYPE_CHECKING:
    from invoke import Context

_ROOT: Final = Path(".estiba", "develop-program")
_PROJECT: Final = "Folder of the service."
_PORT: Final = "TCP port of the development server."
_PAGES: Final = {
    "app": "http://app.localhost:{port}/",
    "admin": "http://admin.localhost:{port}/admin/",
    "api": "http://app.localhost:{port}/api/docs/",
    "queues": "http://admin.localhost:{port}/queues/",
    "health": "http://app.localhost:{port}/readyz",
}


@task(help={"project": _PROJECT})
def deps(_: Context, *, project: str = ".") -> None:
    """Run PostgreSQL and Redis alone, as `services` does, until Ctrl-C."""
    services.run(Path(project).resolve())


@task(help={"port": _PORT, "project": _PROJECT, "tests": "Run the tests, too, and again when a file is saved."})
def up(_: Context, *, port: int = GATEWAY, project: str = ".", tests: bool = False) -> None:
    """Run databases, migrations, server and worker for a developer, until `dev.down`."""
    program = _realise(project)
    _show(port)
    exec_program([*program, "up", str(port), *(["tests"] if tests else [])])


@task(help={"project": _PROJECT})
def down(_: Context, *, project: str = ".") -> None:
    """End what `dev.up` runs for the service; its data stays in `.estiba/services`."""
    exec_program([*_realise(project), "down"])


@task(help={"project": _PROJECT})
def messages(_: Context, *, project: str = ".") -> None:
    """Compile the message catalogues into the service's folder, as `dev.up` does.

    Only those that git tracks, as for a build.
    """
    exec_program([*_realise(project), "messages"])


@task(help={"port": _PORT, "json": "Print the result as one JSON object."})
def urls(_: Context, *, port: int = GATEWAY, json: bool = False) -> None:
    """Show the addresses of what `dev.up` runs."""
    if json:
        console.json({name: page.format(port=port) for name, page in _PAGES.items()})
    else:
        _show(port)


def _show(port: int) -> None:
    console.table(("part", "address"), [(name, page.format(port=port)) for name, page in _PAGES.items()])


def _realise(project: str) -> list[str]:
    folder = Path(project).resolve()
    freshness.check(folder)
    (folder / _ROOT).parent.mkdir(exist_ok=True)
    with console.step("develop") as on_status:
        made = realise(folder, "develop", config.load(), out_link=folder / _ROOT, on_status=on_status)
    return [str(made / "bin" / "develop"), str(folder)]
