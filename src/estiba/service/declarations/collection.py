"""Requirements while they are read: their normal form, the sources of packages, and what cannot be locked."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from estiba.service.declarations import direct
from estiba.service.declarations.direct import DirectError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from estiba.service.declarations.direct import Source
    from estiba.service.declarations.foreign import Index

_parse: Final = functools.cache(Requirement)
"""Parser of a requirement; one command reads those of a service up to three times, and nothing changes what is read."""


@dataclass(slots=True, kw_only=True)
class Collection:
    """Findings of one reading.

    Attributes:
        folder: Folder of the service.
        own: Normalised name of the service itself, which no index is asked for; empty if it has none.
        extras: Requirements by extra of the service (`[project.optional-dependencies]`).
        sources: Packages from folders and repositories, by normalised name.
        indexes: Package indexes that files name.
        constraints: Version constraints.
        problems: A sentence for each entry that cannot be locked.
    """

    folder: Path
    own: str = ""
    extras: Mapping[str, Any] = field(default_factory=dict)
    sources: dict[str, Source] = field(default_factory=dict)
    indexes: list[Index] = field(default_factory=list)
    constraints: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def add(
        self, lines: Sequence[object], where: str, *, forced: bool = False, outer: frozenset[str] = frozenset()
    ) -> list[str]:
        """Return requirements in normal form, and add the sources of those that are direct references.

        Args:
            lines: Requirements as they are written.
            where: Their place, for messages.
            forced: Whether they are direct references, whatever they look like.
            outer: Extras of the service that are being expanded.
        """
        found: list[str] = []
        for line in map(str, lines):
            requirement = self._read(line, where, forced=forced)
            if requirement is None:
                continue
            name = canonicalize_name(requirement.name)
            if name == self.own:
                found += self._expand(requirement, where, outer)
                self._refuse_namesake(requirement, where)
            else:
                found.append(str(requirement))
        return found

    def _read(self, line: str, where: str, *, forced: bool) -> Requirement | None:
        # Before parsing, since pip accepts paths and URLs that are no PEP 508 requirements.
        if forced or direct.is_direct(line):
            try:
                text, source = direct.parse(line, self.folder)
            except DirectError as error:
                self.problems.append(f"{where}: {direct.hide(line)!r} {error}")
                return None
            if source.path == ".":
                return self._read_own(Requirement(text), source, where)
            if self.sources.setdefault(source.name, source) != source:
                other = self.sources[source.name]
                self.problems.append(f"{where}: {source.name} comes from {source} here, and from {other} elsewhere")
            return Requirement(text)
        try:
            return _parse(line)
        except InvalidRequirement as error:
            self.problems.append(f"{where}: {line!r} is not a requirement ({str(error).splitlines()[0]})")
            return None

    def _read_own(self, requirement: Requirement, source: Source, where: str) -> Requirement | None:
        """Return the requirement of the folder itself, whose own requirements have to be in its pyproject.toml."""
        if source.name == self.own:
            return requirement
        self.problems.append(
            f"{where}: requires the folder of the service itself, whose modules the image has anyway: name what"
            " setup.py requires here instead"
        )
        return None

    def _refuse_namesake(self, requirement: Requirement, where: str) -> None:
        """Note that a version of the service itself is required, by which another project of its name is meant."""
        if requirement.specifier:
            self.problems.append(
                f"{where}: {str(requirement)!r} is the name of the service itself, which no index is asked for: give"
                " [project] another name if the package of an index is meant"
            )

    def _expand(self, requirement: Requirement, where: str, outer: frozenset[str]) -> list[str]:
        """Return what extras of the service require: it is no package of an index, though one may have its name."""
        found: list[str] = []
        names = {canonicalize_name(name): name for name in self.extras}
        for extra in map(canonicalize_name, sorted(requirement.extras)):
            if extra not in names:
                self.problems.append(f"{where}: {self.own} has no extra {extra!r} in [project.optional-dependencies]")
            elif extra not in outer:
                place = f"[project.optional-dependencies] {names[extra]}"
                lines = [_mark(str(line), requirement) for line in self.extras[names[extra]]]
                found += self.add(lines, place, outer=outer | {extra})
        return found


def _mark(line: str, owner: Requirement) -> str:
    """Return a requirement with the marker of the one that asks for it."""
    if owner.marker is None:
        return line
    head, _, own = line.partition(";")
    return f"{head.strip()} ; ({own.strip()}) and ({owner.marker})" if own.strip() else f"{line} ; {owner.marker}"
