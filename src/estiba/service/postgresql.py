"""PostgreSQL of checks, targets and development: `[tool.estiba.postgresql]`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from estiba.errors import describe_unknown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

VERSIONS: Final = {"bookworm": "15", "noble": "16", "trixie": "17"}
"""Major versions that releases have for ever; others are not stable, or unknown here."""

_KEYS: Final = ("packages", "version")
_VERSION: Final = re.compile(r"[1-9]\d")
_EXTENSION: Final = re.compile(r"postgresql-\d+(-.+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgreSQL:
    """Server and its extensions.

    Attributes:
        version: Major version; empty for that of the Debian release.
        packages: Debian packages of extensions, such as `postgresql-17-postgis-3`.
    """

    version: str = ""
    packages: tuple[str, ...] = ()


def parse(table: Mapping[str, Any]) -> PostgreSQL:
    """Return the settings of a table that `check` has nothing to say about."""
    return PostgreSQL(version=table.get("version", ""), packages=tuple(sorted(set(table.get("packages", ())))))


def check(table: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each invalid setting."""
    problems = [f"'postgresql': {describe_unknown(key, _KEYS)}" for key in table if key not in _KEYS]
    version, packages = table.get("version", "17"), table.get("packages", [])
    if not isinstance(version, str) or not _VERSION.fullmatch(version):
        problems.append(f"'postgresql.version' must be a major version such as '17', not {version!r}")
    if not isinstance(packages, list) or not all(isinstance(name, str) for name in packages):
        problems.append(f"'postgresql.packages' must be a list of strings, not {packages!r}")
    return problems


def check_image(packages: Sequence[str]) -> list[str]:
    """Return a sentence for each package that belongs to the server, among those of the image."""
    return [
        f"'debian' has {name!r}, which extends the server and not the image: name it in packages of"
        " [tool.estiba.postgresql]"
        for name in packages
        if _EXTENSION.fullmatch(name)
    ]
