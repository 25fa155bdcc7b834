"""Targets of a service, created from `[tool.estiba.targets.NAME]`, and the registry of their kinds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from estiba.deploy.host.target import HostTarget
from estiba.deploy.kubernetes.target import KubernetesTarget
from estiba.deploy.ssh.target import SshTarget
from estiba.errors import ChoiceError, ConfigError
from estiba.service import project as projects

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from estiba.config import Config
    from estiba.deploy.target import Target
    from estiba.service.project import Project

DEFAULT: Final = "local"
"""Name of the target that needs no settings; its kind is `host`."""


def _load_host(name: str, table: Mapping[str, Any], project: Project, config: Config) -> Target:
    """Create a target of kind `host`, on this machine or on that which `ssh` names."""
    return (SshTarget if "ssh" in table else HostTarget).load(name, table, project, config)


KINDS: Final[Mapping[str, Callable[[str, Mapping[str, Any], Project, Config], Target]]] = {
    "host": _load_host,
    "kubernetes": KubernetesTarget.load,
}
"""Factories of targets by kind; called with the target's name, its settings, the project and the configuration."""


def load(folder: Path, name: str, config: Config) -> Target:
    """Create a target from the settings of a service.

    Args:
        folder: Folder of the service.
        name: Name of the target; `kind` in its settings selects the factory, `host` by default.
        config: Configuration from the environment.

    Raises:
        ChoiceError: The service has no target of that name.
        ConfigError: The settings of the target are invalid.
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
