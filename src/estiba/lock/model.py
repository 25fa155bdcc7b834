"""The lock file `estiba.lock`: its records, how they are read and how they are written."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final, TypeVar

from estiba.digest import Digest
from estiba.errors import LockFormatError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

FILE_NAME: Final = "estiba.lock"
VERSION: Final = 1

ARCHITECTURES: Final = {"aarch64-linux": "arm64", "x86_64-linux": "amd64"}
"""Debian's name of each platform's architecture."""

_HAND: Final = "estiba.lock is written by `invoke lock`; take it from version control or run that again"
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Deb:
    """One Debian package file.

    Attributes:
        name: The binary package.
        version: Its Debian version.
        arch: Debian architecture, `all` for every platform.
        file: File name as apt writes it.
        sha256: Hash of the file.
        size: Bytes of the file.
        source: The source package.
        source_version: Version of the source package.
        groups: Sorted, of `base`, `service`, `build`, `prepare` and `check`.
        platforms: Sorted Nix system names.
        depends: Names of the locked packages that it depends on.
    """

    name: str
    version: str
    arch: str
    file: str
    sha256: Digest
    size: int
    source: str
    source_version: str
    groups: tuple[str, ...]
    platforms: tuple[str, ...]
    depends: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """One wheel or sdist.

    Attributes:
        name: Normalised project name.
        version: Its version.
        file: File name as the index gives it.
        kind: `wheel` or `sdist`.
        sha256: Hash of the file.
        size: Bytes of the file.
        groups: Sorted, of `runtime` and `dev`, or `build` alone.
        platforms: Sorted Nix system names.
        requires: Names of the locked distributions that it needs on these platforms.
        build: `name==version` of everything in the build environment of an sdist.
    """

    name: str
    version: str
    file: str
    kind: str
    sha256: Digest
    size: int
    groups: tuple[str, ...]
    platforms: tuple[str, ...]
    requires: tuple[str, ...]
    build: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One image layer of distributions: its name and the distributions in it."""

    name: str
    distributions: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """A whole lock file.

    Attributes:
        inputs: Hash of what it was resolved from.
        python: Python's minor version.
        suite: Debian release.
        pockets: Of main, updates and security.
        platforms: Sorted Nix system names.
        debs: Debian packages.
        distributions: Wheels and sdists of the service.
        build_distributions: Wheels and sdists that only the building of sdists needs.
        layers: How the runtime distributions are spread over image layers.
    """

    inputs: Digest
    python: str
    suite: str
    pockets: tuple[str, ...]
    platforms: tuple[str, ...]
    debs: tuple[Deb, ...]
    distributions: tuple[Distribution, ...]
    build_distributions: tuple[Distribution, ...]
    layers: tuple[Layer, ...]

    @property
    def artifacts(self) -> tuple[Deb | Distribution, ...]:
        """Every file that the lock names."""
        return (*self.debs, *self.distributions, *self.build_distributions)


def render(lock: Lock) -> str:
    """Write a lock in its one normal form: one record per line, everything sorted."""
    sections = (
        ("debs", sorted(lock.debs, key=_order)),
        ("distributions", sorted(lock.distributions, key=_order)),
        ("build_distributions", sorted(lock.build_distributions, key=_order)),
        ("layers", sorted(lock.layers, key=lambda layer: layer.name)),
    )
    lines = [
        f'"version": {VERSION}',
        f'"inputs": {json.dumps(str(lock.inputs))}',
        f'"python": {json.dumps(lock.python)}',
        f'"debian": {_compact({"suite": lock.suite, "pockets": list(lock.pockets)})}',
        f'"platforms": {_compact(list(lock.platforms))}',
        *(f'"{key}": {_render_section(records)}' for key, records in sections),
    ]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def parse(text: str) -> Lock:
    """Read a lock file.

    Raises:
        LockFormatError: It is of another version, misses something or holds something unknown; lists all problems.
    """
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        conflict = " (an unresolved merge: keep either side and run `invoke lock`)" if "<<<<<<<" in text else ""
        msg = f"estiba.lock is not JSON: line {error.lineno}: {error.msg}{conflict}"
        raise LockFormatError(msg, hint=_HAND) from error
    if not isinstance(data, dict) or data.get("version") != VERSION:
        found = data.get("version") if isinstance(data, dict) else None
        msg = f"estiba.lock has format version {found!r}, this Estiba reads version {VERSION}"
        raise LockFormatError(msg, hint="use the Estiba that wrote it, or run invoke lock")
    reader = _Reader()
    lock = reader.read_lock(data)
    if reader.problems:
        listed = "".join(f"\n  - {problem}" for problem in reader.problems)
        msg = f"estiba.lock cannot be used:{listed}"
        raise LockFormatError(msg, hint=_HAND)
    return lock


def _order(record: Deb | Distribution) -> tuple[str, str, str]:
    return (record.name, record.version, record.file)


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _render_section(records: Sequence[Deb | Distribution | Layer]) -> str:
    if not records:
        return "[]"
    return "[\n" + ",\n".join(_compact(_to_dict(record)) for record in records) + "\n]"


def _to_dict(record: Deb | Distribution | Layer) -> dict[str, object]:
    """Return a record's fields in alphabetical order, as JSON has them."""
    values: dict[str, object] = {}
    for name in sorted(field.name for field in fields(record)):
        value = getattr(record, name)
        match value:
            case Digest():
                values[name] = value.hex
            case tuple():
                values[name] = sorted(value)
            case _:
                values[name] = value
    return values


class _Reader:
    """Reads values out of parsed JSON and collects problems, each with the path of what is wrong."""

    def __init__(self) -> None:
        self.problems: list[str] = []

    def read_lock(self, data: Mapping[str, Any]) -> Lock:
        known = {*(field.name for field in fields(Lock)), "version", "debian"} - {"suite", "pockets"}
        self.problems += [f"unknown key {key!r}" for key in data if key not in known]
        debian = data.get("debian") if isinstance(data.get("debian"), dict) else {}
        return Lock(
            inputs=self._digest(data, "inputs", "", Digest.parse),
            python=self._text(data, "python", ""),
            suite=self._text(debian or {}, "suite", "debian."),
            pockets=self._texts(debian or {}, "pockets", "debian."),
            platforms=self._platforms(data, ""),
            debs=self._records(data, "debs", self._deb),
            distributions=self._records(data, "distributions", self._distribution),
            build_distributions=self._records(data, "build_distributions", self._distribution),
            layers=self._records(data, "layers", self._layer),
        )

    def _deb(self, data: Mapping[str, Any], path: str) -> Deb:
        texts = {key: self._text(data, key, path) for key in ("name", "version", "arch", "file", "source")}
        return Deb(
            **texts,
            source_version=self._text(data, "source_version", path),
            sha256=self._digest(data, "sha256", path, Digest),
            size=self._size(data, path),
            groups=self._texts(data, "groups", path),
            platforms=self._platforms(data, path),
            depends=self._texts(data, "depends", path),
        )

    def _distribution(self, data: Mapping[str, Any], path: str) -> Distribution:
        kind = self._text(data, "kind", path)
        if kind not in ("wheel", "sdist"):
            self.problems.append(f"{path}kind must be wheel or sdist, not {kind!r}")
        return Distribution(
            **{key: self._text(data, key, path) for key in ("name", "version", "file")},
            kind=kind,
            sha256=self._digest(data, "sha256", path, Digest),
            size=self._size(data, path),
            groups=self._texts(data, "groups", path),
            platforms=self._platforms(data, path),
            requires=self._texts(data, "requires", path),
            build=self._texts(data, "build", path),
        )

    def _layer(self, data: Mapping[str, Any], path: str) -> Layer:
        return Layer(name=self._text(data, "name", path), distributions=self._texts(data, "distributions", path))

    def _records(
        self, data: Mapping[str, Any], key: str, read: Callable[[Mapping[str, Any], str], _T]
    ) -> tuple[_T, ...]:
        entries = self._list(data, key, "")
        wrong = [index for index, entry in enumerate(entries) if not isinstance(entry, dict)]
        self.problems += [f"{key}[{index}] must be an object" for index in wrong]
        return tuple(read(entry, f"{key}[{index}].") for index, entry in enumerate(entries) if isinstance(entry, dict))

    def _list(self, data: Mapping[str, Any], key: str, path: str) -> list[Any]:
        value = data.get(key)
        if isinstance(value, list):
            return value
        self.problems.append(f"{path}{key} is missing" if value is None else f"{path}{key} must be a list")
        return []

    def _text(self, data: Mapping[str, Any], key: str, path: str) -> str:
        value = data.get(key)
        if isinstance(value, str) and value:
            return value
        self.problems.append(f"{path}{key} is missing" if value is None else f"{path}{key} must be a string")
        return ""

    def _texts(self, data: Mapping[str, Any], key: str, path: str) -> tuple[str, ...]:
        values = self._list(data, key, path)
        if all(isinstance(value, str) for value in values):
            return tuple(values)
        self.problems.append(f"{path}{key} must hold strings only")
        return ()

    def _platforms(self, data: Mapping[str, Any], path: str) -> tuple[str, ...]:
        values = self._texts(data, "platforms", path)
        self.problems += [f"{path}platforms: unknown {value!r}" for value in values if value not in ARCHITECTURES]
        return values

    def _size(self, data: Mapping[str, Any], path: str) -> int:
        value = data.get("size")
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            return value
        self.problems.append(f"{path}size must be a number of bytes")
        return 0

    def _digest(self, data: Mapping[str, Any], key: str, path: str, read: Callable[[str], Digest]) -> Digest:
        try:
            return read(self._text(data, key, path))
        except ValueError as error:
            if data.get(key):
                self.problems.append(f"{path}{key}: {error}")
            return Digest("0" * 64)
