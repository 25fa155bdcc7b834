"""Which distributions of a pinned set a platform needs, and what needs what."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

MACHINES: Final = {"aarch64-linux": "aarch64", "x86_64-linux": "x86_64"}
"""What `platform.machine()` says on each platform."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Closure:
    """What is reachable from some requirements.

    Attributes:
        edges: Each distribution reached, with the names that it needs.
        missing: Requirements that the pinned set does not satisfy.
    """

    edges: Mapping[str, tuple[str, ...]]
    missing: tuple[str, ...]


@dataclass(slots=True)
class _Walk:
    """The state of one walk: what is still to be looked at, and what was found."""

    todo: list[tuple[str, Requirement]]
    edges: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    missing: set[str] = field(default_factory=set)
    seen: set[tuple[str, str]] = field(default_factory=set)


def walk(
    roots: Iterable[str],
    *,
    pins: Mapping[str, str],
    metadata: Mapping[str, Sequence[str]],
    environment: Mapping[str, str],
) -> Closure:
    """Follow requirements through the metadata of pinned distributions, evaluating markers for one platform.

    Args:
        roots: PEP 508 lines to start from.
        pins: Normalised name to pinned version.
        metadata: Normalised name to `Requires-Dist` lines.
        environment: The platform's marker environment, see `environment`.
    """
    state = _Walk([("", Requirement(line)) for line in roots if _applies(Requirement(line), "", environment)])
    while state.todo:
        parent, requirement = state.todo.pop()
        name = canonicalize_name(requirement.name)
        version = pins.get(name)
        if version is None or not requirement.specifier.contains(version, prereleases=True):
            state.missing.add(str(requirement))
            continue
        state.edges[name].update(())
        if parent and parent != name:
            state.edges[parent].add(name)
        for extra in ("", *sorted(requirement.extras)):
            if (name, extra) in state.seen:
                continue
            state.seen.add((name, extra))
            needed = (Requirement(line) for line in metadata.get(name, ()))
            state.todo += [(name, one) for one in needed if _applies(one, extra, environment)]
    edges = {name: tuple(sorted(needs)) for name, needs in sorted(state.edges.items())}
    return Closure(edges=edges, missing=tuple(sorted(state.missing)))


def environment(python: str, platform: str) -> dict[str, str]:
    """Return the marker environment of a Debian Python, given its full version, on a platform."""
    return {
        "implementation_name": "cpython",
        "implementation_version": python,
        "os_name": "posix",
        "platform_machine": MACHINES[platform],
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": python,
        "python_version": ".".join(python.split(".")[:2]),
        "sys_platform": "linux",
    }


def _applies(requirement: Requirement, extra: str, environment: Mapping[str, str]) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({**environment, "extra": extra})
