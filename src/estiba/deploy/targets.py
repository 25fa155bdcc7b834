"""The targets of a service: which kinds there are, and which one a name stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from estiba.deploy.host.target import HostTarget
from estiba.errors import ChoiceError, ConfigError
from estiba.service import project as projects

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from estiba.config import Config
    from estiba.deploy.target import Target
    from estiba.service.project import Project

DEFAULT: Final = "local"
"""Name of the target that needs no settings, a host."""

KINDS: Final[Mapping[str, Callable[[str, Mapping[str, Any], Project, Config], Target]]] = {"host": HostTarget.load}
"""What makes a target of each kind, given its name, its settings, the service and the environment's settings."""


def load(folder: Path, name: str, config: Config) -> Target:
    """Return a target of the service in a folder; `kind` in its settings says which kind it is.

    Raises:
        ChoiceError: There is no such target.
        ConfigError: Its settings have problems.
    """
    project = projects.load(folder)
    if name != DEFAULT and name not in project.targets:
        hint = "pyproject.toml has a table [tool.estiba.targets.NAME] for each but `local`"
        what = "target"
        raise ChoiceError(what, name, sorted({DEFAULT, *project.targets}), hint=hint)
    table = dict(project.targets.get(name, {}))
    kind = table.pop("kind", "host")
    if kind not in KINDS:
        where = f"pyproject.toml [tool.estiba.targets.{name}]"
        raise ConfigError(where, [f"'kind' is {kind!r}, and must be one of {', '.join(sorted(KINDS))}"])
    return KINDS[kind](name, table, project, config)
