"""The targets of a service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from estiba.deploy.host import settings
from estiba.deploy.host.target import HostTarget
from estiba.service import project as projects

if TYPE_CHECKING:
    from pathlib import Path

    from estiba.config import Config
    from estiba.deploy.target import Target


def find(folder: Path, name: str, config: Config) -> Target:
    """Return a target of the service in a folder.

    Raises:
        ChoiceError: There is no such target.
        ConfigError: Its settings have problems.
    """
    project = projects.load(folder)
    found = settings.load(folder, name, project.targets, state=config.state_dir / project.name)
    return HostTarget(project=folder, config=config, settings=found)
