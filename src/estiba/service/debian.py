"""Debian release of a service and its archives: `debian` in `[tool.estiba]`, a list of packages or a table."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from estiba.errors import describe_unknown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

STABLE: Final = {"3.11": "bookworm", "3.13": "trixie"}
"""Debian release of each Python minor version."""

SUITES: Final = {**STABLE, "3.14": "forky", "3.15": "forky"}
"""The same with the next release, whose packages change until it is stable."""

POCKETS: Final = ("main", "updates", "security")
"""Parts of a Debian release to take packages from."""

SNAPSHOT: Final = "@SNAPSHOTID@"
"""Place of the snapshot's name in the URI of an archive, as apt writes it (sources.list(5))."""

DEFAULT_PYTHON: Final = "3.13"

_RELEASES: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "bookworm": ("Debian 12", ("3.11",)),
    "trixie": ("Debian 13", ("3.13",)),
    "forky": ("Debian testing", ("3.14", "3.15")),
    "noble": ("Ubuntu 24.04", ("3.12",)),
    "resolute": ("Ubuntu 26.04", ("3.14",)),
}
"""Title and Python minor versions of releases, for errors and defaults; others work as well."""
# Nothing is published apart for these.
_WITHOUT_POCKETS: Final = ("experimental", "sid", "unstable")
_NAMES: Final = (list, "a list of strings")
_TEXT: Final = (str, "a string")
_KEYS: Final[Mapping[str, tuple[type, str]]] = {
    "archives": (list, "a list of tables such as [{name = 'vendor'}]"),
    "packages": _NAMES,
    "release": _TEXT,
    "snapshot": _TEXT,
}
_ARCHIVE_KEYS: Final[Mapping[str, tuple[type, str]]] = {
    "components": _NAMES,
    "name": _TEXT,
    "signed-by": _TEXT,
    "suites": _NAMES,
    "uri": _TEXT,
}
_PYTHON: Final = re.compile(r"3\.(1[1-9]|[2-9]\d)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """Archive of Debian packages beside Debian's own.

    Attributes:
        name: Name of a file of the machine's apt configuration, without its suffix; empty where `uri` is given alone.
        uri: Base URI; empty for that of the file.
        suites: Suites; by default those of the file.
        components: Components; by default those of the file, or `main`.
        signed_by: Keyring that verifies it, relative to the service's folder; by default that of the file.
    """

    name: str = ""
    uri: str = ""
    suites: tuple[str, ...] = ()
    components: tuple[str, ...] = ()
    signed_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """Release to take packages from.

    Attributes:
        folder: Folder of the service, for keyrings in it.
        suite: Its suite, such as `trixie`.
        pockets: Debian pockets: of `main`, `updates` and `security`.
        archives: Further archives. If they have the suite, Debian's pockets are not used.
        snapshot: Name of a snapshot, to replace `SNAPSHOT` in URIs; empty for none.
    """

    folder: Path
    suite: str
    pockets: tuple[str, ...]
    archives: tuple[Archive, ...] = ()
    snapshot: str = ""

    def describe(self) -> dict[str, Any]:
        """Return what a lock depends on beside the suite and its pockets; nothing by default."""
        listed = [{name: getattr(one, name) for name in Archive.__slots__} for one in self.archives]
        return {key: value for key, value in (("archives", listed), ("snapshot", self.snapshot)) if value}


def parse(folder: Path, table: Mapping[str, Any], *, requires_python: str) -> Release:
    """Return the release of a service.

    Args:
        folder: Folder of the service.
        table: `[tool.estiba]`, which `check` and `check_python` have nothing to say about.
        requires_python: `[project] requires-python`.
    """
    given = _get_table(table)
    suite = given.get("release") or SUITES[choose_python(table, requires_python)]
    wanted = ("main",) if suite in _WITHOUT_POCKETS else table.get("pockets", POCKETS)
    archives = tuple(
        Archive(
            name=entry.get("name", ""),
            uri=entry.get("uri", ""),
            suites=tuple(entry.get("suites", ())),
            components=tuple(entry.get("components", ())),
            signed_by=entry.get("signed-by", ""),
        )
        for entry in given.get("archives", ())
    )
    return Release(
        folder=folder,
        suite=suite,
        pockets=tuple(pocket for pocket in POCKETS if pocket in wanted),
        archives=archives,
        snapshot=given.get("snapshot", ""),
    )


def list_packages(table: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the packages that the service needs at run time, sorted."""
    value = table.get("debian", ())
    return tuple(sorted(set(value.get("packages", ()) if isinstance(value, dict) else value)))


def choose_python(table: Mapping[str, Any], requires_python: str) -> str:
    """Return the Python minor version: the one that is set, else one of the release that the project allows."""
    if "python" in table:
        return str(table["python"])
    release = _get_table(table).get("release", "")
    offered = _RELEASES[release][1] if release in _RELEASES else (DEFAULT_PYTHON, *reversed(SUITES))
    return next((minor for minor in offered if _allows(requires_python, minor)), offered[0])


def check(value: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each invalid setting in the table `[tool.estiba.debian]`."""
    problems = _check_keys("debian.", value, _KEYS)
    archives = value.get("archives", [])
    for number, entry in enumerate(archives if isinstance(archives, list) else []):
        where = f"debian.archives[{number}]."
        if not isinstance(entry, dict):
            problems.append(f"'debian.archives[{number}]' must be a table such as {{name = 'vendor'}}, not {entry!r}")
            continue
        problems += _check_keys(where, entry, _ARCHIVE_KEYS)
        if not entry.get("name") and not (entry.get("uri") and entry.get("suites")):
            problems.append(
                f"'{where}name' must be a file of the machine's apt configuration, such as 'vendor' for"
                " vendor.sources, unless 'uri' and 'suites' are given"
            )
    return problems


def check_python(table: Mapping[str, Any], requires_python: str) -> list[str]:
    """Return a sentence for a Python version that is not allowed, or that no known archive has."""
    try:
        SpecifierSet(requires_python)
    except InvalidSpecifier:
        return [f"[project] requires-python {requires_python!r} is not a version specifier"]
    python = choose_python(table, requires_python)
    given = _get_table(table)
    release = given.get("release", "")
    if not _PYTHON.fullmatch(python):
        return [f"'python' cannot be {python!r}, only a minor version such as {DEFAULT_PYTHON!r}; {_list_pythons()}"]
    if not _allows(requires_python, python):
        return [f"'python' is {python!r}, but [project] requires-python is {requires_python!r}; {_list_pythons()}"]
    if not release and python not in SUITES:
        return [f"'python' is {python!r}, which no Debian release has; {_list_pythons()}"]
    title, offered = _RELEASES.get(release, ("", (python,)))
    if not given.get("archives") and python not in offered:
        return [f"'python' is {python!r}, but {title} ({release}) has {' and '.join(offered)}; {_list_pythons()}"]
    if title.startswith("Ubuntu") and not given.get("archives"):
        return [f"'debian.release' is {release!r}, which Debian's mirrors do not have: name its archive; {_ADVICE}"]
    return []


_ADVICE: Final = (
    "to take Ubuntu's, say, write its mirror and key into /etc/apt/sources.list.d/ubuntu.sources ('Enabled: no' keeps"
    ' the machine\'s own apt from it), and in [tool.estiba]:\n    python = "3.12"\n'
    '    debian = {release = "noble", archives = [{name = "ubuntu"}]}'
)


def _list_pythons() -> str:
    listed = ", ".join(
        f"{title} ({name}) has {' and '.join(minors)}" for name, (title, minors) in sorted(_RELEASES.items())
    )
    return f"{listed}; {_ADVICE}"


def _allows(requires_python: str, minor: str) -> bool:
    # 99 stands for the patch version, which the archive decides: a lower bound such as >=3.13.2 must hold, too.
    bounds = SpecifierSet(requires_python)
    return bounds.contains(f"{minor}.99") or bounds.contains(minor)


def _get_table(table: Mapping[str, Any]) -> Mapping[str, Any]:
    value = table.get("debian", ())
    return value if isinstance(value, dict) else {}


def _check_keys(where: str, value: Mapping[str, Any], known: Mapping[str, tuple[type, str]]) -> list[str]:
    problems = [f"'{where.rstrip('.')}': {describe_unknown(key, known)}" for key in value if key not in known]
    for key, entry in value.items():
        kind, wanted = known.get(key, (object, ""))
        entries: Sequence[object] = entry if kind is list and isinstance(entry, list) and key != "archives" else ()
        if not isinstance(entry, kind) or not all(isinstance(one, str) for one in entries):
            problems.append(f"'{where}{key}' must be {wanted}, not {entry!r}")
    return problems
