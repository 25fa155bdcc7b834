"""Packages from folders and repositories, as archives that pip takes instead of those of an index."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, replace
from email.parser import HeaderParser
from pathlib import Path
from typing import TYPE_CHECKING, Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from estiba.errors import ResolutionError
from estiba.lock import disk_cache
from estiba.lock.direct import archive, repository
from estiba.lock.python.pip import Choice
from estiba.lock.sdist import inspection
from estiba.service.declarations import direct

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from estiba.digest import Digest
    from estiba.lock.artifacts import Artifacts
    from estiba.lock.python.pip import ResolverContext
    from estiba.lock.sdist.inspection import Sdist
    from estiba.service.declarations.direct import Source
    from estiba.service.project import Project

_LEFT_OUT: Final = frozenset({"__pycache__", "node_modules", "venv"})
_MADE: Final = frozenset({"build", "dist"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """Package from a folder of the service or from a commit of a repository.

    Attributes:
        source: Where it comes from.
        choice: The archive that stands for it in a resolution. That of a repository holds its files. That of a folder
            holds its metadata alone, so that a change of its code leaves the lock as it is.
        sdist: Its metadata.
    """

    source: Source
    choice: Choice
    sdist: Sdist


def prepare(resolver: ResolverContext, project: Project) -> dict[str, Package]:
    """Read the packages that requirements of a service take from folders and repositories, by name.

    Args:
        resolver: Interpreter, download cache and runner.
        project: Settings of the service.

    Raises:
        ArtifactError: A repository cannot be fetched.
        ResolutionError: A build backend fails, or a package is not what the requirement says.
    """
    requirements = project.requirements
    known = {source.name: source for source in requirements.sources}
    found: dict[str, Package] = {}
    wanted = [canonicalize_name(Requirement(line).name) for line in (*requirements.runtime, *requirements.dev)]
    while wanted:
        name = wanted.pop()
        if name in known and name not in found:
            found[name] = _read(resolver, project.folder, known[name], known)
            wanted += [canonicalize_name(Requirement(line).name) for line in found[name].sdist.requires]
    return found


def _read(resolver: ResolverContext, folder: Path, source: Source, known: Mapping[str, Source]) -> Package:
    if source.path:
        digest = _pack(folder / source.path, resolver.artifacts)
    else:
        digest = repository.fetch(source, resolver.artifacts, config=resolver.config, runner=resolver.runner)
    choice = Choice(
        name=source.name,
        version="0",
        file=f"{source.name}-0.tar",
        sha256=digest,
        size=resolver.artifacts.path(digest).stat().st_size,
    )
    inspected = inspection.inspect(resolver, choice)
    fields = HeaderParser().parsestr(inspected.metadata)
    name, version = canonicalize_name(str(fields["Name"])), str(fields["Version"])
    if name != source.name:
        msg = f"the package in {source} is {name}, and the requirement says {source.name}"
        raise ResolutionError(msg, hint=f"write {name} @ {source}")
    sdist = replace(inspected, metadata=_strip(inspected, source, known))
    choice = replace(choice, version=version, file=f"{source.name}-{version}.tar")
    if source.path:
        needs = "".join(f"{line}\n" for line in sdist.build_requires)
        members = {"PKG-INFO": sdist.metadata.encode(), "build-requirements.txt": needs.encode()}
        digest = archive.pack(members, resolver.artifacts)
        choice = replace(choice, sha256=digest, size=resolver.artifacts.path(digest).stat().st_size)
    # pip takes its metadata from there, and calls no build backend.
    place = resolver.sdists / f"{choice.sha256.hex}.json"
    place.unlink(missing_ok=True)
    disk_cache.cached(place, lambda: json.dumps(asdict(sdist), sort_keys=True))
    return Package(source=source, choice=choice, sdist=sdist)


def _strip(sdist: Sdist, source: Source, known: Mapping[str, Source]) -> str:
    """Return metadata without the addresses of requirements, which have to be those that the service names."""
    text = sdist.metadata
    for line in sdist.requires:
        requirement = Requirement(line)
        if not requirement.url:
            continue
        name = canonicalize_name(requirement.name)
        if name not in known:
            shown = direct.hide(f"{requirement.name} @ {requirement.url}")
            msg = f"{source.name} requires {shown}, which the service does not name"
            raise ResolutionError(
                msg, hint=f"require {requirement.name} @ git+URL@COMMIT, or @ file:./…, in the service"
            )
        plain = Requirement(line)
        plain.url = None
        text = text.replace(f"Requires-Dist: {line}", f"Requires-Dist: {plain}")
    return text


def _pack(place: Path, artifacts: Artifacts) -> Digest:
    """Write the archive of a folder's files into the download cache."""
    files = list(_list(place))
    members = {
        str(file.relative_to(place)): file.readlink() if file.is_symlink() else file.read_bytes() for file in files
    }
    programs = [str(file.relative_to(place)) for file in files if not file.is_symlink() and os.access(file, os.X_OK)]
    return archive.pack(members, artifacts, executable=programs)


def _list(place: Path) -> Iterator[Path]:
    for where, folders, names in os.walk(place):
        links = [name for name in folders if Path(where, name).is_symlink()]
        made = _MADE if Path(where) == place else ()
        folders[:] = [name for name in folders if name not in {*links, *made} and _is_source(name)]
        yield from (Path(where, name) for name in (*links, *names) if not name.endswith((".pyc", ".pyo")))


def _is_source(folder: str) -> bool:
    return not folder.startswith(".") and not folder.endswith(".egg-info") and folder not in _LEFT_OUT
