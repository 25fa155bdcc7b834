"""Settings of a service's CI: `[tool.estiba.ci]` in pyproject.toml."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from estiba.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from estiba.service.project import Project

_WHERE: Final = "pyproject.toml [tool.estiba.ci]"
_TEXTS: Final[Mapping[str, str]] = {
    "branch": "main",
    "cache": "",
    "image": "debian:trixie",
    "repository": "",
    "runner": "ubuntu-24.04",
}
_SECRETS: Final = "secrets"
_VARIABLE: Final = re.compile("[A-Z][A-Z0-9_]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings of a service's CI, with defaults filled in.

    Attributes:
        branch: Name of the main branch.
        cache: Binary cache that builds of the main branch are pushed to, or an empty string.
        image: Image of Debian or Ubuntu that jobs run in, where the system runs them in containers.
        repository: Address of the service's Git repository, for systems that do not lie beside it, as Concourse.
        runner: Label of GitHub's runners.
        secrets: Names of the system's secrets that become variables of the same names.
    """

    branch: str
    cache: str
    image: str
    repository: str
    runner: str
    secrets: tuple[str, ...]


def parse(project: Project) -> Settings:
    """Parse the settings of a service's CI.

    Raises:
        ConfigError: Settings are invalid; the message lists all of them.
    """
    table = project.ci
    known = (*_TEXTS, _SECRETS)
    problems = [f"unknown key {key!r}, {_suggest(key, known)}" for key in table if key not in known]
    problems += [
        f"{key!r} must be a string in one line, not {table[key]!r}"
        for key in _TEXTS
        if key in table and not _is_line(table[key])
    ]
    names = table.get(_SECRETS, [])
    if not isinstance(names, list) or not all(isinstance(name, str) and _VARIABLE.fullmatch(name) for name in names):
        problems.append(f"{_SECRETS!r} must be a list of names such as 'REGISTRY_TOKEN', not {names!r}")
    if problems:
        raise ConfigError(_WHERE, problems)
    texts = {key: str(table.get(key, default)) for key, default in _TEXTS.items()}
    return Settings(**texts, secrets=tuple(names))


def _suggest(key: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(key, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}"


def _is_line(value: object) -> bool:
    return isinstance(value, str) and value.isprintable()
