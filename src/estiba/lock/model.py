"""The lock file `estiba.lock`: records, parser and renderer (docs/lock-format.md)."""

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
"""Debian architecture of each platform (Nix system name)."""

_HINT: Final = "take estiba.lock from version control, or delete it and run `invoke lock`"
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Deb:
    """Locked Debian package.

    Attributes:
        name: Name of the binary package.
        version: Debian version.
        arch: Debian architecture, or `all`.
        file: File name, as apt-get(8) `download` writes it.
        sha256: Digest of the file.
        size: Size of the file in bytes.
        source: Name of the source package.
        source_version: Version of the source package.
        groups: Groups that need it: of `base`, `service`, `build`, `prepare`, `frontend` and `check`; sorted.
        platforms: Nix system names that it is locked for; sorted.
        depends: Names of locked packages that it depends on.
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
    """Locked wheel or sdist.

    Attributes:
        name: Normalised project name (PEP 503).
        version: Version (PEP 440).
        file: File name in the package index; of a `local` one the folder, relative to that of the service.
        kind: `wheel`, `sdist`, or `local` for a package that is built from a folder of the service.
        sha256: Digest of the file; of a `local` one that of its metadata.
        size: Size of the file in bytes.
        groups: Groups that need it: of `runtime` and `dev`, or `build` alone; sorted.
        platforms: Nix system names that it is locked for; sorted.
        requires: Names of locked distributions that it requires on these platforms.
        build: Pins (`name==version`) of the build environment of an sdist.
        source: Address of a commit of a git repository that an sdist is the archive of, in the form of PEP 508; empty
            for a file of an index.
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
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """Image layer of Python distributions: name, and names of the distributions in it."""

    name: str
    distributions: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """Lock of a service.

    Attributes:
        inputs: Digest of the resolver's inputs; see `freshness.hash_inputs`.
        python: Python minor version.
        suite: Debian release.
        distribution: Name and version of the distribution that the release belongs to, such as `ubuntu-24.04`; empty
            for Debian.
        pockets: Debian pockets: of `main`, `updates` and `security`.
        platforms: Nix system names, sorted.
        debs: Debian packages.
        distributions: Wheels and sdists of the service.
        build_distributions: Wheels and sdists that are only needed to build sdists.
        layers: Image layers of the runtime distributions.
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
    distribution: str = ""

    @property
    def artifacts(self) -> tuple[Deb | Distribution, ...]:
        """All locked artifacts: what is fetched, which packages from folders of the service are not."""
        distributions = (*self.distributions, *self.build_distributions)
        return (*self.debs, *(one for one in distributions if one.kind != "local"))


def render(lock: Lock) -> str:
    """Return the text of a lock: one record per line, keys and records sorted, so that diffs and merges are small."""
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
        f'"debian": {_compact(_describe_release(lock))}',
        f'"platforms": {_compact(list(lock.platforms))}',
        *(f'"{key}": {_render_section(records)}' for key, records in sections),
    ]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def parse(text: str) -> Lock:
    """Parse a lock file.

    Raises:
        LockFormatError: The format version is another one, or fields are missing, unknown or invalid; the message lists
            all problems.
    """
    try:
        data = json.loads(text)
    except RecursionError as error:
        msg = "estiba.lock is nested too deeply"
        raise LockFormatError(msg, hint=_HINT) from error
    except json.JSONDecodeError as error:
        conflict = " (an unresolved merge: keep either side and run `invoke lock`)" if "<<<<<<<" in text else ""
        msg = f"estiba.lock is not JSON: line {error.lineno}: {error.msg}{conflict}"
        raise LockFormatError(msg, hint=_HINT) from error
    if not isinstance(data, dict) or data.get("version") != VERSION:
        found = data.get("version") if isinstance(data, dict) else None
        msg = f"estiba.lock has format version {found!r}, this Estiba reads version {VERSION}"
        raise LockFormatError(msg, hint="use the Estiba that wrote it, or delete estiba.lock and run invoke lock")
    reader = _Reader()
    lock = reader.read_lock(data)
    if reader.problems:
        listed = "".join(f"\n  - {problem}" for problem in reader.problems)
        msg = f"estiba.lock cannot be used:{listed}"
        raise LockFormatError(msg, hint=_HINT)
    return lock


def _order(record: Deb | Distribution) -> tuple[str, str, str]:
    return (record.name, record.version, record.file)


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _describe_release(lock: Lock) -> dict[str, object]:
    other = {"distribution": lock.distribution} if lock.distribution else {}
    return {"suite": lock.suite, "pockets": list(lock.pockets), **other}


def _render_section(records: Sequence[Deb | Distribution | Layer]) -> str:
    if not records:
        return "[]"
    return "[\n" + ",\n".join(_compact(_to_dict(record)) for record in records) + "\n]"


def _to_dict(record: Deb | Distribution | Layer) -> dict[str, object]:
    """Return a record as a JSON object with its fields in alphabetical order."""
    values: dict[str, object] = {}
    for name in sorted(field.name for field in fields(record)):
        value = getattr(record, name)
        if name == "source" and not value and isinstance(record, Distribution):
            continue
        match value:
            case Digest():
                values[name] = value.hex
            case tuple():
                values[name] = sorted(value)
            case _:
                values[name] = value
    return values


class _Reader:
    """Reader of decoded JSON that collects problems, each with the path of the invalid value."""

    def __init__(self) -> None:
        self.problems: list[str] = []

    def read_lock(self, data: Mapping[str, Any]) -> Lock:
        known = {*(field.name for field in fields(Lock)), "version", "debian"} - {"distribution", "suite", "pockets"}
        self.problems += [f"unknown key {key!r}" for key in data if key not in known]
        debian: Mapping[str, Any] = data["debian"] if isinstance(data.get("debian"), dict) else {}
        return Lock(
            inputs=self._digest(data, "inputs", "", Digest.parse),
            python=self._text(data, "python", ""),
            suite=self._text(debian, "suite", "debian."),
            distribution=self._text(debian, "distribution", "debian.") if "distribution" in debian else "",
            pockets=self._texts(debian, "pockets", "debian."),
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
        if kind not in ("wheel", "sdist", "local"):
            self.problems.append(f"{path}kind must be wheel, sdist or local, not {kind!r}")
        return Distribution(
            **{key: self._text(data, key, path) for key in ("name", "version", "file")},
            kind=kind,
            sha256=self._digest(data, "sha256", path, Digest),
            size=self._size(data, path),
            groups=self._texts(data, "groups", path),
            platforms=self._platforms(data, path),
            requires=self._texts(data, "requires", path),
            build=self._texts(data, "build", path),
            source=self._text(data, "source", path) if "source" in data else "",
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
        # bool is a subclass of int.
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
            # A placeholder, so that reading continues and all problems are reported.
            return Digest("0" * 64)
