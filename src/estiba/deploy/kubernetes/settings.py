"""Settings of a `kubernetes` target: `[tool.estiba.targets.NAME]` in pyproject.toml."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from estiba.errors import ConfigError, ImageRefError, describe_unknown
from estiba.imageref import ImageRef
from estiba.publish import chart as charts

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_NAMES: Final[tuple[type, str]] = (list, "a list of strings")
_NUMBER: Final[tuple[type, str]] = (int, "a whole number above 0")
_TEXT: Final[tuple[type, str]] = (str, "a string")
_KEYS: Final[Mapping[str, tuple[type, str]]] = {
    "chart": _TEXT,
    "context": _TEXT,
    "image": _TEXT,
    "insecure": (bool, "true or false"),
    "keep": _NUMBER,
    "kubeconfig": _TEXT,
    "namespace": _TEXT,
    "ready-limit": _NUMBER,
    "release": _TEXT,
    "smoke": _NAMES,
    "timeout": _NUMBER,
    "url": _TEXT,
    "values": _NAMES,
}
_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?")
"""Names of releases and namespaces: a label of RFC 1123, short enough for what the chart adds to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings of a `kubernetes` target, with defaults filled in.

    Attributes:
        name: Name of the target.
        image: Repository of the service's image, as the cluster's nodes reach it, without tag and digest.
        insecure: Push to the registry by plain HTTP.
        namespace: Namespace of the release.
        release: Name of the Helm release.
        context: Context of the kubeconfig; empty for its current one.
        kubeconfig: File with the cluster's address and credentials; empty for kubectl's own choice.
        chart: Folder of the chart.
        values: Files of values, later ones win.
        smoke: Paths below `url` that the smoke test requests from outside of the cluster.
        url: Public address of the service, without a path; empty if there is none.
        timeout: Time limit of each wait of Helm, in seconds: for the migrations, for the pods, for the smoke test.
        ready_limit: Seconds until a new pod has to be ready after its start.
        keep: Number of releases to keep.
    """

    name: str
    image: ImageRef
    insecure: bool
    namespace: str
    release: str
    context: str
    kubeconfig: str
    chart: Path
    values: tuple[Path, ...]
    smoke: tuple[str, ...]
    url: str
    timeout: int
    ready_limit: int
    keep: int


def parse(name: str, table: Mapping[str, Any], *, folder: Path, service: str) -> Settings:
    """Parse the settings of a target.

    Args:
        name: Name of the target.
        table: Table `[tool.estiba.targets.NAME]`, without `kind`.
        folder: Folder of the service, which relative paths start from.
        service: Name of the service: the default of release and namespace.

    Raises:
        ConfigError: The settings are invalid; the error lists all problems.
    """
    problems = [describe_unknown(key, _KEYS) for key in table if key not in _KEYS]
    problems += [problem for key, value in table.items() if key in _KEYS for problem in _check(key, value)]
    problems += [] if "image" in table else ["'image' is missing: the repository that the nodes pull from"]
    chart = folder / table.get("chart", f"helm/{service}")
    given = table.get("values") if isinstance(table.get("values"), list) else None
    values = tuple(folder / path for path in given) if given is not None else _find_values(folder, chart, name)
    problems += [f"'values' names {path}, which does not exist" for path in values if not path.is_file()]
    if problems:
        where = f"pyproject.toml [tool.estiba.targets.{name}]"
        raise ConfigError(where, problems)
    return Settings(
        name=name,
        image=ImageRef.parse(table["image"]),
        insecure=table.get("insecure", False),
        namespace=table.get("namespace", service),
        release=table.get("release", service),
        context=table.get("context", ""),
        kubeconfig=str(folder / table["kubeconfig"]) if "kubeconfig" in table else "",
        chart=chart if "chart" in table or chart.is_dir() else charts.own(),
        values=values,
        smoke=tuple(table.get("smoke", ("/",))),
        url=table.get("url", "").rstrip("/"),
        timeout=table.get("timeout", 270),
        ready_limit=table.get("ready-limit", 90),
        keep=table.get("keep", 10),
    )


def _find_values(folder: Path, chart: Path, name: str) -> tuple[Path, ...]:
    """Return the files of values of a target that the service has, where its settings name none."""
    file = charts.name_values(name)
    places = (folder / file, chart / file)
    return tuple(place for place in places if place.is_file())


def _check(key: str, value: object) -> list[str]:
    kind, wanted = _KEYS[key]
    entries = value if isinstance(value, list) else []
    if type(value) is not kind or not all(isinstance(entry, str) for entry in entries):
        return [f"{key!r} must be {wanted}, not {value!r}"]
    if type(value) is int and value < 1:
        return [f"{key!r} must be {wanted}, not {value}"]
    return _check_value(key, value)


def _check_value(key: str, value: Any) -> list[str]:  # noqa: ANN401 - of the type that the key has
    match key:
        case "release" | "namespace" if not _LABEL.fullmatch(value):
            return [f"{key!r} is {value!r}, not up to 40 lower-case letters, digits and dashes"]
        case "url" if not re.match(r"https?://[^/]+/?$", value):
            return [f"'url' is {value!r}, not an address such as https://shop.example"]
        case "smoke" if wrong := [path for path in value if not path.startswith("/")]:
            return [f"'smoke' has {wrong[0]!r}, not a path that starts with /"]
        case "image":
            return _check_image(value)
        case _:
            return []


def _check_image(value: str) -> list[str]:
    try:
        ref = ImageRef.parse(value)
    except ImageRefError as error:
        return [f"'image': {error.message}"]
    return [f"'image' is {value!r}: the build decides the digest, and no tag is used"] if ref.tag or ref.digest else []
