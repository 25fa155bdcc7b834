"""Front end of a service: `[tool.estiba.frontend]`, and the npm packages of its package-lock.json."""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from estiba.errors import ConfigError, describe_unknown

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LOCK: Final = "package-lock.json"
"""Lock file of npm, which is the only lock of a front end."""

_KEYS: Final = ("folder", "output", "script")
_TABLE: Final = "frontend"
_FOREIGN: Final = ("yarn.lock", "pnpm-lock.yaml", "bun.lock", "bun.lockb", "npm-shrinkwrap.json")
_VERSIONS: Final = (2, 3)
"""Versions of the lock file that list packages by path (npm 7 and newer)."""

_CPUS: Final = {"aarch64-linux": "arm64", "x86_64-linux": "x64"}
"""CPU of each platform, as Node.js calls it (`process.arch`)."""

_OS: Final = "linux"
_MODULES: Final = "node_modules/"
_SHA512: Final = "sha512-"
_PACKAGE: Final = re.compile(r"(@[\w~][\w.~-]*/)?[\w~][\w.~-]*@\d[0-9A-Za-z.+-]*", re.ASCII)
"""Name and version of a package in a registry (package.json(5))."""

_SHOWN: Final = 8
_RELOCK: Final = "npm install --package-lock-only"


@dataclass(frozen=True, slots=True, kw_only=True)
class Frontend:
    """Settings of a front end.

    Attributes:
        folder: Folder with package.json and package-lock.json, relative to the service's.
        script: Script of package.json that builds it; empty where packages are served as they are.
        output: Files and folders that the script writes, or that npm installs, relative to the service's folder.
    """

    folder: str
    script: str
    output: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Tarball:
    """Tarball of an npm package.

    Attributes:
        name: Name of the package, which an alias does not change.
        version: Version (semver.org).
        sha512: SHA-512 of the tarball, 128 hexadecimal digits.
        source: URL of a package that is in no registry, else empty.
    """

    name: str
    version: str
    sha512: str
    source: str = ""

    @property
    def file(self) -> str:
        """File name, from which its store path is computed; `nix/lib/frontend.nix` has the same rule."""
        return f"{self.name}-{self.version}.tgz"


def check(value: Mapping[str, Any]) -> list[str]:
    """Return the problems of the table."""
    problems = [f"{_TABLE!r}: {describe_unknown(key, _KEYS)}" for key in value if key not in _KEYS]
    problems += [
        f"'{_TABLE}.{key}' must be a string, not {value[key]!r}"
        for key in ("folder", "script")
        if key in value and not (isinstance(value[key], str) and (value[key] or key == "script"))
    ]
    output = value.get("output", [])
    if not isinstance(output, list) or not output or not all(isinstance(path, str) for path in output):
        problems.append(f"'{_TABLE}.output' must list what the script writes, such as ['static/dist']")
        output = []
    if value.get("script") == "" and (made := [path for path in output if _MODULES not in f"{path}/"]):
        problems.append(
            f"'{_TABLE}.script' is empty, so nothing writes {', '.join(made)}: name what is in node_modules"
        )
    paths = [("output", path) for path in output]
    paths += [("folder", value["folder"])] if isinstance(value.get("folder"), str) else []
    problems += [
        f"'{_TABLE}.{key}' must be relative to the service's folder and in it, not {path!r}"
        for key, path in paths
        if not _is_inside(path) or (key == "output" and not PurePosixPath(path).parts)
    ]
    return problems


def parse(table: Mapping[str, Any] | None) -> Frontend | None:
    """Return the settings of a table that `check` finds no problem with, or None if there is none."""
    if table is None:
        return None
    return Frontend(
        folder=str(PurePosixPath(table.get("folder", "."))),
        script=table.get("script", "build"),
        output=tuple(sorted(str(PurePosixPath(path)) for path in table["output"])),
    )


def read(folder: Path, frontend: Frontend, platform: str) -> tuple[Tarball, ...]:
    """Return the tarballs that a front end is built from on a platform, sorted.

    Args:
        folder: Folder of the service.
        frontend: Its settings.
        platform: Nix system name.

    Raises:
        ConfigError: package.json or package-lock.json cannot be used; the message names the packages.
    """
    top = folder / frontend.folder
    shown = PurePosixPath(frontend.folder)
    scripts = _load(top, shown, "package.json").get("scripts", {})
    if frontend.script and frontend.script not in scripts:
        listed = f"; there is {', '.join(sorted(scripts))}" if scripts else ""
        hint = f'name it in [tool.estiba.{_TABLE}] script, or "" to serve folders of node_modules as they are'
        raise ConfigError(str(shown / "package.json"), [f"no script {frontend.script!r}{listed}"], hint=hint)
    lock = _load(top, shown, LOCK)
    if lock.get("lockfileVersion") not in _VERSIONS:
        problem = f"lockfileVersion is {lock.get('lockfileVersion')!r}, only 2 and 3 list packages by their path"
        raise ConfigError(str(shown / LOCK), [problem], hint=f"with npm 7 or newer: {_RELOCK}")
    packages = lock.get("packages", {})
    wanted = [(path, entry) for path, entry in packages.items() if _has_tarball(path, entry, platform)]
    problems = [f"{_name(path, entry)}: {problem}" for path, entry in wanted if (problem := _find_problem(path, entry))]
    if problems:
        more = [f"and {len(problems) - _SHOWN} more"] if len(problems) > _SHOWN else []
        # npm leaves an entry of a lock as it is, with the hash that it has or lacks.
        hint = f"take the package from a registry; a lock of an old npm, anew: rm {shown / LOCK} && {_RELOCK}"
        raise ConfigError(str(shown / LOCK), [*problems[:_SHOWN], *more], hint=hint)
    return tuple(sorted({_to_tarball(path, entry) for path, entry in wanted}))


def _is_inside(path: str) -> bool:
    return not path.startswith("/") and ".." not in PurePosixPath(path).parts and "\0" not in path


def _load(top: Path, shown: PurePosixPath, name: str) -> dict[str, Any]:
    path, where = top / name, str(shown / name)
    if not path.is_file():
        foreign = [other for other in _FOREIGN if name == LOCK and (top / other).is_file()]
        beside = f", and {' and '.join(foreign)} is not read" if foreign else ""
        hint = _RELOCK if name == LOCK else f"name its folder in [tool.estiba.{_TABLE}] folder"
        raise ConfigError(where, [f"no such file{beside}"], hint=hint)
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ConfigError(where, [f"not JSON: {error}"], hint="git diff shows what has changed") from error
    if not isinstance(found, dict):
        raise ConfigError(where, ["must be a JSON object"])
    return found


def _has_tarball(path: str, entry: Mapping[str, Any], platform: str) -> bool:
    """Tell whether a package is installed from a tarball of its own: not a workspace, a link or a bundled package."""
    if _MODULES not in path or entry.get("link") or entry.get("inBundle"):
        return False
    return _admits(entry.get("os", ()), _OS) and _admits(entry.get("cpu", ()), _CPUS[platform])


def _admits(listed: str | list[str], value: str) -> bool:
    """Tell whether a list of a package allows a value, as npm-install-checks does: `!` forbids, `any` allows all."""
    words = [listed] if isinstance(listed, str) else listed
    if not words or words == ["any"]:
        return True
    return f"!{value}" not in words and (value in words or all(word.startswith("!") for word in words))


def _find_problem(path: str, entry: Mapping[str, Any]) -> str:
    # Anything else that npm takes for a package, such as an address, would be fetched, and may run scripts.
    if not _PACKAGE.fullmatch(f"{_name(path, entry)}@{entry.get('version', '0')}"):
        return f"no name and version of a package: {entry.get('version', '0')!r}"
    resolved = str(entry.get("resolved", ""))
    if resolved.startswith("git"):
        return "a git dependency has no tarball whose hash npm locks"
    if resolved.startswith("file:"):
        return "a tarball in the repository is not read; name a folder, which npm links (install-links=false)"
    return "" if _find_sha512(entry) else "no sha512 integrity"


def _find_sha512(entry: Mapping[str, Any]) -> str:
    """Return the SHA-512 of `integrity` (W3C Subresource Integrity) in hexadecimal, or an empty string."""
    for word in str(entry.get("integrity", "")).split():
        if word.startswith(_SHA512):
            try:
                found = base64.b64decode(word.removeprefix(_SHA512).partition("?")[0], validate=True).hex()
            except binascii.Error:
                continue
            # 64 bytes.
            return found if len(found) == 128 else ""  # noqa: PLR2004
    return ""


def _name(path: str, entry: Mapping[str, Any]) -> str:
    return str(entry.get("name") or path.rpartition(_MODULES)[2])


def _to_tarball(path: str, entry: Mapping[str, Any]) -> Tarball:
    resolved = str(entry.get("resolved", ""))
    # Registries have their tarballs below `/-/`; any other address is one that package.json names itself.
    source = resolved if resolved.startswith(("https:", "http:")) and "/-/" not in resolved else ""
    return Tarball(
        name=_name(path, entry), version=str(entry.get("version", "0")), sha512=_find_sha512(entry), source=source
    )
