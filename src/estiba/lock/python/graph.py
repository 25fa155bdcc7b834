"""Dependency graph of pinned distributions on one platform."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

MACHINES: Final = {"aarch64-linux": "aarch64", "x86_64-linux": "x86_64"}
"""Value of `platform.machine()` on each platform."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Closure:
    """Closure of requirements.

    Attributes:
        edges: Names of the distributions that each reachable distribution requires, by name.
        missing: Requirements that the pins do not satisfy.
    """

    edges: Mapping[str, tuple[str, ...]]
    missing: tuple[str, ...]


@dataclass(slots=True)
class _Walk:
    """State of a traversal: pending (parent, requirement) pairs, results, and visited (name, extra) pairs."""

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
    """Return the closure of requirements, following the metadata of pinned distributions on one platform.

    Args:
        roots: Requirements to start from (PEP 508).
        pins: Pinned version by normalised name.
        metadata: `Requires-Dist` fields by normalised name (PEP 643).
        environment: Marker environment of the platform; see `environment`.
    """
    state = _Walk([("", Requirement(line)) for line in roots if _applies(Requirement(line), "", environment)])
    while state.todo:
        parent, requirement = state.todo.pop()
        name = canonicalize_name(requirement.name)
        # Pre-releases count: pip has already decided whether a pin may be one.
        version = pins.get(name)
        if version is None or not requirement.specifier.contains(version, prereleases=True):
            state.missing.add(str(requirement))
            continue
        state.edges[name].update(())
        # An extra may require other extras of the same project.
        if parent and parent != name:
            state.edges[parent].add(name)
        for extra in ("", *sorted(requirement.extras)):
            if (name, extra) in state.seen:
                continue
            state.seen.add((name, extra))
            needed = (Requirement(line) for line in metadata.get(name, ()))
            state.todo += [(name, required) for required in needed if _applies(required, extra, environment)]
    edges = {name: tuple(sorted(needs)) for name, needs in sorted(state.edges.items())}
    return Closure(edges=edges, missing=tuple(sorted(state.missing)))


def environment(python: str, platform: str) -> dict[str, str]:
    """Return the marker environment (PEP 508) of Debian's CPython.

    Args:
        python: Full version, such as `3.13.5`.
        platform: Nix system name.
    """
    return {
        "implementation_name": "cpython",
        "implementation_version": python,
        "os_name": "posix",
        "platform_machine": MACHINES[platform],
        "platform_python_implementation": "CPython",
        # Release and version are those of the kernel, which is unknown for an image.
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": python,
        "python_version": ".".join(python.split(".")[:2]),
        "sys_platform": "linux",
    }


def _applies(requirement: Requirement, extra: str, environment: Mapping[str, str]) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({**environment, "extra": extra})
