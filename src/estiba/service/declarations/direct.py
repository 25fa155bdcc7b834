"""Direct references: packages that a service takes from a git repository or a folder of its own, not from an index."""

from __future__ import annotations

import ast
import configparser
import contextlib
import re
import tomllib
import urllib.parse
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

METADATA_FILES: Final = ("pyproject.toml", "setup.cfg", "setup.py")
"""Files of a package that its name, its requirements and its build requirements are read from."""

_NAMED: Final = re.compile(r"^([A-Za-z0-9][\w.-]*)\s*(\[[^\]]*\])?\s*@\s*(\S.*)$")
_SCHEME: Final = re.compile(r"^(git\+)?(file|git|https?|ssh)://", re.IGNORECASE)
_DIRECT: Final = re.compile(
    r"^(git|hg|svn|bzr)\+|^[a-z]+://|^file:|^\.{0,2}/|^\.{1,2}$|^[\w.-]+/|\.(whl|zip|tar\.gz)$", re.IGNORECASE
)
# What follows tells a marker from a parameter of an address.
_MARKER: Final = re.compile(r"\s*;\s*(?=[('\"]|python|sys_|platform|os_|implementation|extra)")
_COMMIT: Final = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_EXTRAS: Final = re.compile(r"^(.*?)\s*(\[[^\]]*\])?$")
_ARCHIVES: Final = (".whl", ".zip", ".tar.gz", ".tgz", ".tar.bz2")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Package that comes from a folder of the service, or from a commit of a git repository.

    Attributes:
        name: Normalised name of the package (PEP 503).
        path: Folder, relative to that of the service; empty for a repository.
        url: Address of the repository, as git takes it, without credentials.
        commit: Full commit ID.
        subdirectory: Folder of the package in the repository.
    """

    name: str
    path: str = ""
    url: str = ""
    commit: str = ""
    subdirectory: str = ""

    def __str__(self) -> str:
        """Return the address of the package as PEP 508 writes it."""
        if self.path:
            return f"file:./{self.path}"
        return f"git+{self.url}@{self.commit}" + (f"#subdirectory={self.subdirectory}" if self.subdirectory else "")


class DirectError(Exception):
    """A direct reference that cannot be locked; the text is a sentence about the reason."""


def is_direct(line: str) -> bool:
    """Return whether a requirement names an address or a path, with a name before it or not."""
    text = _MARKER.split(line.strip(), maxsplit=1)[0]
    named = _NAMED.match(text)
    return bool(_DIRECT.search(_EXTRAS.sub(r"\1", named[3] if named else text)))


def hide(line: str) -> str:
    """Return a line without the credentials of an address, which must not end up in a CI log."""
    return re.sub(r"//[^/@\s]+@", "//***@", line)


def parse(line: str, folder: Path) -> tuple[str, Source]:
    """Parse a direct reference.

    Args:
        line: The reference in the form of PEP 508, or as pip takes it: an address with `#egg=NAME`, or a path.
        folder: Folder of the service, which paths are relative to.

    Returns:
        The requirement without its address, such as `mylib[pdf]; python_version > "3"`, and the source.

    Raises:
        DirectError: The reference cannot be locked.
    """
    text, *rest = _MARKER.split(line.strip(), maxsplit=1)
    named = _NAMED.match(text)
    name, extras, address = named.groups(default="") if named else ("", "", text)
    if _SCHEME.match(address) and not address.lower().startswith("file:"):
        egg, source = _parse_repository(address, name)
    else:
        egg, source = _parse_path(address, name, folder)
    marker = f"; {rest[0]}" if rest else ""
    try:
        return str(Requirement(f"{source.name}{extras or egg}{marker}")), source
    except InvalidRequirement as error:
        raise DirectError(str(error).splitlines()[0]) from error


def at_commit(name: str, url: str, commit: str, subdirectory: str = "") -> Source:
    """Return the source of a package at a commit of a repository.

    Args:
        name: Name of the package.
        url: Address of the repository, as git takes it.
        commit: What should be a full commit ID.
        subdirectory: Folder of the package in the repository.

    Raises:
        DirectError: The address holds credentials, or the commit is not a full ID.
    """
    parts = urllib.parse.urlsplit(url)
    if parts.password or (parts.username and parts.scheme in {"http", "https"}):
        msg = (
            "its address holds credentials, which would be written to the lock: leave them out, and let git find them"
            " (git config credential.helper, or url.<base>.insteadOf)"
        )
        raise DirectError(msg)
    if not _COMMIT.fullmatch(commit):
        named = f"names {commit!r}, which may move" if commit else "names no commit"
        msg = (
            f"{named}: write the full ID of the commit behind @, as `git ls-remote {url} {commit or 'HEAD'}` prints it"
        )
        raise DirectError(msg)
    return Source(name=canonicalize_name(name), url=url, commit=commit, subdirectory=subdirectory.strip("/"))


def in_folder(name: str, path: str, folder: Path, *, base: Path | None = None) -> Source:
    """Return the source of a package in a folder of the service.

    Args:
        name: Name of the package; empty to read it from the folder.
        path: The folder.
        folder: Folder of the service.
        base: Folder that `path` is relative to; by default that of the service.

    Raises:
        DirectError: The folder is not there, lies outside of the service's, or has no package.
    """
    place = ((base or folder) / path).resolve()
    if not place.is_relative_to(folder.resolve()):
        msg = (
            "lies outside of the service's folder, which is all that a build sees: move it below that,"
            " or require it from its repository, NAME @ git+URL@COMMIT"
        )
        raise DirectError(msg)
    shown = str(place.relative_to(folder.resolve()))
    if place.is_file():
        msg = "is an archive: unpack it into a folder of the service and name that, or publish it on an index"
        raise DirectError(msg)
    if not any((place / file).is_file() for file in METADATA_FILES):
        msg = f"{shown} has no {' or '.join(METADATA_FILES)}" if place.is_dir() else f"there is no folder {shown}"
        raise DirectError(msg)
    name = name or read_name(place)
    if not name:
        msg = f"its name cannot be read: write NAME @ file:./{shown}"
        raise DirectError(msg)
    return Source(name=canonicalize_name(name), path=shown)


def read_name(place: Path) -> str:
    """Return the name of the package in a folder without running its code, or an empty string."""
    return next(_find_names(place), "")


def _find_names(place: Path) -> Iterator[str]:
    for read, file in ((_read_table, "pyproject.toml"), (_read_configuration, "setup.cfg"), (_read_script, "setup.py")):
        if (place / file).is_file():
            # What is malformed is told by the package's own build backend.
            with contextlib.suppress(configparser.Error, SyntaxError, ValueError):
                yield from filter(None, read((place / file).read_text(encoding="utf-8")))


def _read_table(text: str) -> list[str]:
    table = tomllib.loads(text)
    owners = (table.get("project", {}), table.get("tool", {}).get("poetry", {}))
    return [str(owner.get("name", "")) for owner in owners]


def _read_configuration(text: str) -> list[str]:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(text)
    return [parser.get("metadata", "name", fallback="")]


def _read_script(text: str) -> list[str]:
    keywords = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.keyword) and node.arg == "name")
    return [str(node.value.value) for node in keywords if isinstance(node.value, ast.Constant)]


def _parse_repository(address: str, name: str) -> tuple[str, Source]:
    """Return the extras in an address of a repository, and its source."""
    plain, _, fragment = address.partition("#")
    given = dict(urllib.parse.parse_qsl(fragment))
    egg, extras = _EXTRAS.fullmatch(given.get("egg", "")).groups(default="")  # type: ignore[union-attr] # matches all
    if not plain.lower().startswith("git+"):
        archive = "an archive" if plain.lower().endswith(_ARCHIVES) else "a file"
        msg = f"is the address of {archive}: require its repository, NAME @ git+URL@COMMIT, or publish it on an index"
        raise DirectError(msg)
    if not (name or egg):
        msg = f"has no name: write NAME @ {hide(address)}"
        raise DirectError(msg)
    url, _, commit = plain[4:].rpartition("@")
    # The last @ may be the one of a user's name.
    if "/" in commit or not _SCHEME.match(url):
        url, commit = plain[4:], ""
    return extras, at_commit(name or egg, url, commit, given.get("subdirectory", ""))


def _parse_path(address: str, name: str, folder: Path) -> tuple[str, Source]:
    """Return the extras behind a path, and its source."""
    if re.match(r"(hg|svn|bzr)\+", address):
        msg = "is in no git repository, and others are not supported: publish it on an index"
        raise DirectError(msg)
    path, extras = _EXTRAS.fullmatch(address.partition("#")[0]).groups(default="")  # type: ignore[union-attr]
    path = re.sub(r"^file:(//(localhost)?(?=/))?", "", path, flags=re.IGNORECASE)
    path = urllib.parse.unquote(path).replace("${PROJECT_ROOT}", str(folder))
    return extras, in_folder(name, path, folder)
