"""`invoke chart.*`: render the Helm chart of a service, package it and push it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from estiba import config
from estiba.build.oci_image import RESULT
from estiba.digest import Digest
from estiba.errors import UsageError
from estiba.image import layout
from estiba.process import run
from estiba.publish import chart
from estiba.scaffold.helm import thin
from estiba.service import project as projects
from estiba.tasks.console import console, task

if TYPE_CHECKING:
    from invoke import Context

_PROJECT = "Folder of the service."
_JSON = "Print the result as one JSON object."
_CHART = "Folder of the chart; by default the service's, `helm/NAME`."


@task(
    help={
        "digest": "Digest of the image, sha256:…; by default the last build's, else the one that the values have.",
        "project": _PROJECT,
        "json": _JSON,
    }
)
def render(_: Context, *, digest: str = "", project: str = ".", json: bool = False) -> None:
    """Write the chart of the service, and the values of each environment.

    The values come from `[tool.estiba.chart]` and the targets in pyproject.toml. Estiba's own chart, on which the
    service's depends, is added where it is missing.
    """
    _render(project, digest=_parse(digest) if digest else _find_built(project), as_json=json)


@task(help={"project": _PROJECT, "json": _JSON})
def update(_: Context, *, project: str = ".", json: bool = False) -> None:
    """Take Estiba's own chart of this version into the chart of the service."""
    _render(project, update=True, as_json=json)


@task(help={"project": _PROJECT})
def check(_: Context, *, project: str = ".") -> None:
    """Check that chart and values are those that `chart.render` writes."""
    thin.check(projects.load(Path(project)))


@task(
    help={
        "chart": _CHART,
        "out": "Folder for the archive; by default `.estiba/charts` in the service's folder.",
        "project": _PROJECT,
        "json": _JSON,
    }
)
def package(_: Context, *, chart: str = "", out: str = "", project: str = ".", json: bool = False) -> None:
    """Package the chart; the archive has the same bytes on every machine."""
    made = _package(chart, Path(out) if out else Path(project) / ".estiba" / "charts", project)
    if json:
        console.json(made.to_dict())
    else:
        console.say(str(made.path))
        console.result(str(made.digest))


@task(
    help={
        "to": "Registry and repository, HOST/REPOSITORY; the chart's name is added.",
        "chart": _CHART,
        "project": _PROJECT,
        "json": _JSON,
    }
)
def push(_: Context, to: str, *, chart: str = "", project: str = ".", json: bool = False) -> None:
    """Package the chart and push it to an OCI registry.

    Prints the reference with the digest of the chart's manifest, the same for the same chart.
    """
    with tempfile.TemporaryDirectory(prefix="estiba-chart-") as work:
        pushed = _push(_package(chart, Path(work), project), to)
    if json:
        console.json(pushed.to_dict())
    else:
        console.result(f"oci://{pushed.ref}")


def _render(project: str, *, digest: Digest | None = None, update: bool = False, as_json: bool) -> None:
    changed = thin.render(projects.load(Path(project)), run, digest=digest, update=update)
    console.changed(changed, as_json=as_json)


def _parse(digest: str) -> Digest:
    try:
        return Digest.parse(digest)
    except ValueError as error:
        hint = "write sha256: and 64 hexadecimal digits, as `invoke build` prints them"
        raise UsageError(str(error), hint=hint) from error


def _find_built(project: str) -> Digest | None:
    """Return the digest of the last build's image, None where nothing was built."""
    folder = Path(project) / RESULT
    return layout.read_built(folder, config.load().store).digest if folder.is_symlink() else None


def _package(folder: str, out: Path, project: str) -> chart.Package:
    found = Path(folder) if folder else thin.folder_of(projects.load(Path(project)))
    return chart.package(found, out, run)


def _push(made: chart.Package, to: str) -> chart.Pushed:
    return chart.push(made, to, run)
