"""Settings of the logbook: `[tool.estiba.release.logbook]` in pyproject.toml."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from estiba.errors import ConfigError, describe_unknown

if TYPE_CHECKING:
    from collections.abc import Mapping

_WHERE: Final = "pyproject.toml [tool.estiba.release.logbook]"
_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_+-]*(?:[./][A-Za-z0-9_+-]+)*")
_DEFAULTS: Final[Mapping[str, Any]] = {"branch": "deployments", "push": True, "remote": "origin"}


@dataclass(frozen=True, slots=True, kw_only=True)
class LogbookSettings:
    """Settings of the logbook.

    Attributes:
        branch: Branch that holds it.
        remote: Remote that the branch is pushed to, where the repository has it.
        push: Whether to push at all.
    """

    branch: str
    remote: str
    push: bool


def parse(table: Mapping[str, Any]) -> LogbookSettings:
    """Parse the table.

    Raises:
        ConfigError: Settings are invalid; the message lists all of them.
    """
    problems = [describe_unknown(key, _DEFAULTS) for key in table if key not in _DEFAULTS]
    values = {**_DEFAULTS, **table}
    if not isinstance(values["push"], bool):
        problems.append(f"'push' must be true or false, not {values['push']!r}")
    problems += [
        f"{key!r} must be a name that git takes, not {values[key]!r}"
        for key in ("branch", "remote")
        if not isinstance(values[key], str) or not _NAME.fullmatch(values[key]) or values[key].endswith(".lock")
    ]
    if problems:
        raise ConfigError(_WHERE, problems)
    return LogbookSettings(branch=values["branch"], remote=values["remote"], push=values["push"])
