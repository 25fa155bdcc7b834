"""What a gate looks at, what it returns, and how its settings are checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from urllib.parse import urlsplit

from estiba.errors import describe_unknown

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from estiba.config import Config
    from estiba.deploy.target import Target
    from estiba.process import Runner
    from estiba.release.settings import Settings
    from estiba.release_manifest import ReleaseManifest
    from estiba.service.project import Project

WHERE: Final = "pyproject.toml [tool.estiba.release.gates]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a gate looks at.

    Attributes:
        folder: Folder of the service, with the files of the commit.
        project: Settings of the service.
        config: Settings from the environment.
        settings: Settings of releases.
        manifest: Manifest of the release.
        name: Name of the target.
        target: Target.
        runner: Runs commands.
        on_status: Called with one progress message at a time.
        now: Time of the release, with a time zone.
        shared: Results that several gates need, by name; the first that needs one puts it there.
    """

    folder: Path
    project: Project
    config: Config
    settings: Settings
    manifest: ReleaseManifest
    name: str
    target: Target
    runner: Runner
    on_status: Callable[[str], None]
    now: datetime
    shared: dict[str, Any] = field(default_factory=dict, compare=False)

    def options(self, gate: str) -> Mapping[str, Any]:
        """Return the settings of a gate; empty where it has none."""
        table = self.settings.gates.get(gate, {})
        return table if isinstance(table, dict) else {}


Gate: TypeAlias = Callable[[Context], Mapping[str, Any]]
"""Gate: returns its evidence, which is JSON, and raises `GateError` to refuse the release."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """Key of a gate's settings.

    Attributes:
        wanted: What the value must be, for the error.
        is_valid: Whether a value is that.
        is_required: Whether the gate cannot do without it.
    """

    wanted: str
    is_valid: Callable[[Any], bool]
    is_required: bool = False


def text(*, is_required: bool = False) -> Key:
    """Return a key for a string."""
    return Key(wanted="a string", is_valid=is_text, is_required=is_required)


def texts(*, is_required: bool = False) -> Key:
    """Return a key for a list of strings that is not empty."""
    return Key(wanted="a list of strings", is_valid=is_texts, is_required=is_required)


def number(unit: str, least: float, most: float = float("inf"), *, is_required: bool = False) -> Key:
    """Return a key for a number of some unit within bounds."""
    limit = f"from {least} to {most}" if most != float("inf") else f"of {least} or more"

    def is_valid(value: object) -> bool:
        # bool is a subclass of int.
        # `inf` of TOML is no limit.
        return (
            isinstance(value, int | float)
            and not isinstance(value, bool)
            and least <= value <= most
            and value != float("inf")
        )

    return Key(wanted=f"a number of {unit} {limit}", is_valid=is_valid, is_required=is_required)


def url(what: str) -> Key:
    """Return a required key for an URL, which stands in evidence and messages, and so has no credentials."""
    return Key(wanted=f"the URL of {what}, without credentials", is_valid=_is_url, is_required=True)


def is_text(value: object) -> bool:
    """Return whether a value is a string that is not empty."""
    return isinstance(value, str) and value != ""


def is_texts(value: object) -> bool:
    """Return whether a value is a list of strings that is not empty."""
    return isinstance(value, list) and bool(value) and all(map(is_text, value))


def _is_url(value: object) -> bool:
    parts = urlsplit(value) if isinstance(value, str) else None
    return parts is not None and parts.scheme in {"http", "https"} and bool(parts.hostname) and "@" not in parts.netloc


def check_table(gate: str, table: Mapping[str, Any], keys: Mapping[str, Key]) -> list[str]:
    """Return the problems of a gate's settings, one sentence each."""
    problems = [
        f"{gate}: {describe_unknown(name, keys) if keys else f'unknown key {name!r}, it has none'}"
        for name in table
        if name not in keys
    ]
    for name, value in table.items():
        if name in keys and not keys[name].is_valid(value):
            # Credentials in an URL are not to be printed.
            shown = "" if isinstance(value, str) and "@" in value else f", not {value!r}"
            problems.append(f"{gate}: {name!r} must be {keys[name].wanted}{shown}")
    missing = [name for name, key in keys.items() if key.is_required and name not in table]
    return problems + [f"{gate}: {name!r} is missing: {keys[name].wanted}" for name in missing]
