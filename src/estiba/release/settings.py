"""Settings of releases: `[tool.estiba.release]` in pyproject.toml."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from estiba.errors import ConfigError, describe_unknown
from estiba.service import environment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from estiba.service.project import Project

WHERE: Final = "pyproject.toml [tool.estiba.release]"
VERSION: Final = "{version}"
"""What stands for the version in the name of a tag."""

BUDGET: Final = 30
"""Minutes that a release and its way back should take at most."""

LIMITS: Final[Mapping[str, int]] = {"build": 300, "gates": 120, "push": 120, "deploy": 300, "smoke": 60}
"""Seconds that each step should take at most, by the step's name."""

_NAMES: Final[tuple[type, str]] = (list, "a list of strings")
_TABLE: Final[tuple[type, str]] = (dict, "a table")
_KEYS: Final[Mapping[str, tuple[type, str]]] = {
    "approvals": _TABLE,
    "budget": (int, "a number of minutes above 0"),
    "cache": (str, "a folder or URL of a binary cache"),
    "charts": (str, "a registry and repository, such as registry.example/charts"),
    "gates": _TABLE,
    "limits": (dict, "a table such as {deploy = 600}, in seconds"),
    "logbook": _TABLE,
    "notify": _TABLE,
    "required": _NAMES,
    "review": _TABLE,
    "tag": (str, "a string"),
    "targets": _NAMES,
    "watch": _TABLE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings of releases, with defaults filled in.

    Attributes:
        targets: Names of the targets of a release, in the order in which it reaches them.
        tag: Name of a release's tag, with `{version}` for the version.
        required: Names of environment variables that each target has to give to the service.
        approvals: Table `approvals`: by target, who may approve; `estiba.release.approval` parses it.
        budget: Minutes that a release should take at most.
        cache: Folder or URL of the binary cache that the release is pushed to; empty for none.
        charts: Registry and repository that the charts of the targets are pushed to; empty for none.
        limits: Seconds that each step should take at most, by the step's name.
        gates: Table `gates`: settings of the gates by name; `estiba.release.gates` parses it.
        logbook: Table `logbook`; `estiba.release.logbook` parses it.
        notify: Table `notify`; `estiba.release.notify` parses it.
        review: Table `review`; `estiba.release.review` parses it.
        watch: Table `watch`; `estiba.release.watch` parses it.
    """

    targets: tuple[str, ...]
    tag: str
    required: tuple[str, ...]
    budget: int
    cache: str
    charts: str
    limits: Mapping[str, int]
    approvals: Mapping[str, Any]
    gates: Mapping[str, Any]
    logbook: Mapping[str, Any]
    notify: Mapping[str, Any]
    review: Mapping[str, Any]
    watch: Mapping[str, Any]


def parse(project: Project) -> Settings:
    """Parse the settings of a service's releases.

    Raises:
        ConfigError: Settings are invalid; the message lists all of them.
    """
    table = project.release
    problems = [describe_unknown(key, _KEYS) for key in table if key not in _KEYS]
    problems += [problem for key, value in table.items() if key in _KEYS for problem in _check(key, value)]
    if not problems:
        problems = _check_targets(table, project)
    if problems:
        raise ConfigError(WHERE, problems)
    return Settings(
        targets=tuple(table.get("targets", project.targets)) or ("local",),
        tag=table.get("tag", f"v{VERSION}"),
        required=_require(table, project),
        budget=table.get("budget", BUDGET),
        cache=table.get("cache", ""),
        charts=table.get("charts", ""),
        limits={**LIMITS, **table.get("limits", {})},
        **{name: dict(table.get(name, {})) for name, wanted in _KEYS.items() if wanted is _TABLE},
    )


def _require(table: Mapping[str, Any], project: Project) -> tuple[str, ...]:
    """Return the variables that a target has to give: as settings say, else as the service's schema says."""
    schema = environment.load(project.folder)
    return tuple(table.get("required", schema.required if schema else ("SECRET_KEY", "DATABASE_URL")))


def _check(key: str, value: Any) -> list[str]:  # noqa: ANN401 - what a file has
    kind, wanted = _KEYS[key]
    entries = value if isinstance(value, list) else []
    if type(value) is not kind or not all(isinstance(entry, str) for entry in entries):
        return [f"{key!r} must be {wanted}, not {value!r}"]
    return _check_value(key, value)


def _check_value(key: str, value: Any) -> list[str]:  # noqa: ANN401 - of the type that the key has
    match key:
        case "tag" if value.count(VERSION) != 1:
            return [f"'tag' is {value!r}, and must contain {VERSION} once"]
        case "budget" if value < 1:
            return [f"'budget' must be {_KEYS[key][1]}, not {value!r}"]
        case "limits":
            return _check_limits(value)
        case _:
            return []


def _check_limits(limits: Mapping[str, Any]) -> list[str]:
    problems = [f"in 'limits': {describe_unknown(name, LIMITS)}" for name in limits if name not in LIMITS]
    wrong = [(name, value) for name, value in limits.items() if type(value) is not int or value < 1]
    return problems + [f"'limits.{name}' must be a number of seconds above 0, not {value!r}" for name, value in wrong]


def _check_targets(table: Mapping[str, Any], project: Project) -> list[str]:
    known = {"local", *project.targets}
    names = {*table.get("targets", ()), *table.get("approvals", ())}
    return [f"there is no target {name!r}; [tool.estiba.targets.{name}] declares it" for name in sorted(names - known)]
