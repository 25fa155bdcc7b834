"""Files of the CI systems that a service uses: rendered, or compared with what they should be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from estiba.errors import DriftError
from estiba.scaffold import rendered
from estiba.scaffold.ci import concourse, github, gitlab, pipeline

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from estiba.scaffold.ci.pipeline import Pipeline, Releases
    from estiba.service.project import Project

RENDER: Final = "invoke ci.render"
KINDS: Final[Mapping[str, Callable[[Pipeline], dict[str, dict[str, Any]]]]] = {
    "concourse": concourse.render,
    "github": github.render,
    "gitlab": gitlab.render,
}
"""Renderers by the name of the system; each returns its files by their paths."""

_MARKS: Final = {"concourse": concourse.PATH, "github": github.COMMITS, "gitlab": gitlab.PATH}
"""The file by which a system is known to be in use."""
_NOTE: Final = f"Rendered by `{RENDER}` from [tool.estiba] in pyproject.toml; change it there."


def find_used(folder: Path) -> tuple[str, ...]:
    """Return the names of the systems whose files a service has."""
    return tuple(kind for kind, path in _MARKS.items() if (folder / path).exists())


def render(project: Project, kinds: Sequence[str], releases: Releases) -> tuple[str, ...]:
    """Write the files of CI systems, and return the names of those that changed.

    Args:
        project: The service.
        kinds: Names of the systems.
        releases: Targets and tags of the service's releases.

    Raises:
        ConfigError: Settings are invalid.
    """
    return rendered.write(project.folder, _render(project, kinds, releases))


def check(project: Project, releases: Releases) -> None:
    """Compare the files of the CI systems in use with what they should be.

    Raises:
        ConfigError: Settings are invalid.
        DriftError: Files are missing or differ, or there are none.
    """
    used = find_used(project.folder)
    if not used:
        msg = f"{project.name} has no file of a CI system"
        raise DriftError(msg, hint=f"{RENDER} --kind {' | '.join(KINDS)}")
    rendered.check(project.folder, _render(project, used, releases), RENDER)


def _render(project: Project, kinds: Sequence[str], releases: Releases) -> dict[str, str]:
    planned = pipeline.plan(project, releases)
    return {path: rendered.dump(data, note=_NOTE) for kind in kinds for path, data in KINDS[kind](planned).items()}
