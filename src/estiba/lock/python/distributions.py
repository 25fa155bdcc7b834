"""Python distributions of a service: pins, a file of each for every platform, and build environments of sdists."""

from __future__ import annotations

from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from estiba.errors import ResolutionError
from estiba.lock.direct import packages
from estiba.lock.model import Distribution
from estiba.lock.python import graph, pip, uv
from estiba.lock.python.pip import Choice, Upgrade
from estiba.lock.sdist import inspection

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from estiba.lock.direct.packages import Package
    from estiba.lock.model import Lock
    from estiba.lock.python.graph import Closure
    from estiba.lock.python.pins import Pin
    from estiba.lock.python.pip import ResolverContext
    from estiba.lock.sdist.inspection import Sdist
    from estiba.service.project import Project

_HINT = (
    "mark it for one platform (name; platform_machine == 'x86_64'), take a version that has a wheel,"
    " or leave the platform out of platforms in [tool.estiba]"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """Result of a resolution.

    Attributes:
        runtime: Pins of the running service.
        dev: Pins that only tests and development need.
        distributions: Wheels and sdists of both.
        build_distributions: Wheels and sdists that are only needed to build sdists.
        yanked: Sentences about withdrawn releases among them.
    """

    runtime: tuple[Pin, ...]
    dev: tuple[Pin, ...]
    distributions: tuple[Distribution, ...]
    build_distributions: tuple[Distribution, ...]
    yanked: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Context:
    """Inputs of a resolution, the same for all of its steps."""

    resolver: ResolverContext
    project: Project
    previous: Lock | None
    packages: Mapping[str, Package]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Resolved:
    """Resolution for one platform.

    Attributes:
        platform: Nix system name.
        pins: Pins whose markers apply, by name.
        choices: Selected file of each pin, by name.
        sdists: Metadata of the selected sdists, by name.
        runtime: Closure of the runtime requirements.
        everything: Closure of the runtime and development requirements.
    """

    platform: str
    pins: dict[str, Pin]
    choices: dict[str, Choice]
    sdists: dict[str, Sdist]
    runtime: Closure
    everything: Closure


@dataclass(slots=True)
class _Builds:
    """Pins of the build environments so far, by the digest of their sdist, and the distributions in them."""

    environments: dict[str, tuple[str, ...]] = field(default_factory=dict)
    files: list[Distribution] = field(default_factory=list)


def resolve(
    resolver: ResolverContext,
    project: Project,
    *,
    seeds: Sequence[Pin] = (),
    previous: Lock | None = None,
    upgrade: Upgrade,
) -> Resolution:
    """Resolve a service's requirements for all of its platforms.

    Args:
        resolver: Interpreter, download cache and runner.
        project: Settings of the service.
        seeds: Pins of the previous lock, which are kept unless `upgrade` covers them.
        previous: Previous lock, whose build environments are kept for unchanged sdists.
        upgrade: Pins that may change.

    Raises:
        ResolutionError: No set of versions satisfies the requirements, or distributions have no usable file for a
            platform; the message lists all of the latter.
    """
    context = _prepare(resolver, project, None if upgrade.everything else previous)
    first, *_ = sorted(project.platforms, key=lambda platform: platform != pip.host_platform())
    # pip-compile evaluates markers for one platform, at first this machine's. A platform that needs more is resolved
    # again below, with these pins as seeds, so that all platforms have the same versions.
    compiled = _compile(context, first, seeds=seeds, upgrade=upgrade)
    with ThreadPoolExecutor() as pool:
        states = list(pool.map(lambda platform: _examine(context, platform, compiled), project.platforms))
    for index, state in enumerate(states):
        if state.everything.missing:
            again = _compile(context, state.platform, seeds=compiled, upgrade=Upgrade())
            states[index] = _examine(context, state.platform, again)
    _refuse_incomplete(states)
    _refuse_unbuildable(states)
    builds = _Builds()
    for state in states:
        for name, found in state.sdists.items():
            if name in state.everything.edges:
                _lock_build(context, state.choices[name], found, builds)
    return Resolution(
        runtime=tuple(_list_pins(project, states, dev=False)),
        dev=tuple(_list_pins(project, states, dev=True)),
        distributions=_merge(_list_distributions(context, states, builds)),
        build_distributions=_merge(builds.files),
        yanked=tuple(sorted({line for state in states for line in _find_yanked(state)})),
    )


def _prepare(resolver: ResolverContext, project: Project, previous: Lock | None) -> _Context:
    """Read the packages from folders and repositories, whose names no index is asked for, nor for the service's."""
    requirements = project.requirements
    indexed = replace(resolver, indexes=requirements.indexes)
    withheld: dict[str, Choice | None] = {one.name: None for one in requirements.sources}
    withheld |= {requirements.own: None} if requirements.own else {}
    found = packages.prepare(replace(indexed, offered=withheld), project)
    offered = withheld | {name: package.choice for name, package in found.items()}
    return _Context(resolver=replace(indexed, offered=offered), project=project, previous=previous, packages=found)


def _compile(context: _Context, platform: str, *, seeds: Sequence[Pin], upgrade: Upgrade) -> list[Pin]:
    project = context.project
    wanted = {
        project.requirements.source: project.requirements.runtime,
        "development requirements": project.requirements.dev,
    }
    # pip-compile reads a file named pyproject.toml as a project's metadata, not as a requirements file.
    files = {name.replace("pyproject.toml", "dependencies of pyproject.toml"): lines for name, lines in wanted.items()}
    options: dict[str, Any] = {
        "wanted": files,
        "constraints": project.requirements.constraints,
        "seeds": seeds,
        "upgrade": upgrade,
    }
    found = uv.compile_pins(context.resolver, platform, **options) if project.resolver == "uv" else None
    return inspection.compile_pins(context.resolver, platform, **options) if found is None else found


def _examine(context: _Context, platform: str, compiled: Sequence[Pin]) -> _Resolved:
    """Select the files of the pins for one platform and follow the requirements in their metadata."""
    resolver, project = context.resolver, context.project
    environment = resolver.environment(platform)
    wanted = [pin for pin in compiled if not pin.marker or Marker(pin.marker).evaluate(environment)]
    chosen, problems = pip.select(resolver, platform, [pin for pin in wanted if pin.name not in context.packages])
    own = {pin.name: context.packages[pin.name] for pin in wanted if pin.name in context.packages}
    choices = {choice.name: choice for choice in chosen} | {name: package.choice for name, package in own.items()}
    sdists = {choice.name: inspection.inspect(resolver, choice) for choice in chosen if choice.kind == "sdist"}
    sdists |= {name: package.sdist for name, package in own.items()}
    metadata = {
        choice.name: inspection.read_wheel(resolver.artifacts.path(choice.sha256), choice)
        for choice in chosen
        if choice.kind == "wheel"
    } | {name: found.requires for name, found in sdists.items()}
    versions = {pin.name: pin.version for pin in wanted}
    runtime = graph.walk(project.requirements.runtime, pins=versions, metadata=metadata, environment=environment)
    everything = graph.walk(
        (*project.requirements.runtime, *project.requirements.dev),
        pins=versions,
        metadata=metadata,
        environment=environment,
    )
    without_file = [problem for problem in problems if problem.split()[0] in everything.edges]
    if without_file:
        listed = "".join(f"\n  - {problem}" for problem in without_file)
        msg = f"some requirements have no file for a platform:{listed}"
        raise ResolutionError(msg, hint=_HINT)
    return _Resolved(
        platform=platform,
        pins={pin.name: pin for pin in wanted},
        choices=choices,
        sdists=sdists,
        runtime=runtime,
        everything=everything,
    )


def _find_yanked(state: _Resolved) -> Iterable[str]:
    for name in state.everything.edges:
        if reason := state.choices[name].yanked:
            yield f"{name} {state.choices[name].version} is yanked: {' '.join(reason.split())}"


def _refuse_incomplete(states: Iterable[_Resolved]) -> None:
    """Raise one error with all requirements in the metadata of the files that the pins do not satisfy."""
    problems = [f"{line} ({state.platform})" for state in states for line in state.everything.missing]
    if problems:
        listed = "".join(f"\n  - {problem}" for problem in problems)
        msg = f"the metadata of some files requires more than pip resolved:{listed}"
        raise ResolutionError(msg, hint="their wheels and sdists disagree; pin another version")


def _refuse_unbuildable(states: Iterable[_Resolved]) -> None:
    """Raise one error with all sdists that have to be compiled for a platform other than this machine's."""
    problems = [
        f"{state.choices[name].name} {state.choices[name].version}: no wheel for {state.platform},"
        f" and its sdist has extension modules, which {pip.host_platform()} cannot compile for it"
        for state in states
        if state.platform != pip.host_platform()
        for name, found in sorted(state.sdists.items())
        if found.compiles and name in state.everything.edges
    ]
    if problems:
        listed = "".join(f"\n  - {problem}" for problem in problems)
        msg = f"some requirements cannot be built for a platform:{listed}"
        raise ResolutionError(msg, hint=_HINT)


def _lock_build(context: _Context, choice: Choice, found: Sdist, builds: _Builds) -> None:
    """Lock the build environment of an sdist, and of the sdists in that environment."""
    key = choice.sha256.hex
    if key in builds.environments:
        return
    kept = _keep_build(choice, context.previous, context.resolver.build_constraints)
    if kept is not None:
        builds.environments[key] = tuple(f"{distribution.name}=={distribution.version}" for distribution in kept)
        builds.files += kept
        return
    locked = inspection.resolve_build(context.resolver, choice, found.build_requires)
    builds.environments[key] = tuple(f"{pin.name}=={pin.version}" for pin in locked)
    for platform in context.project.platforms:
        chosen, problems = pip.select(context.resolver, platform, locked)
        if problems and platform == pip.host_platform():
            msg = f"the build requirements of {choice.file} have no file for a platform: {'; '.join(problems)}"
            raise ResolutionError(msg, hint=_HINT)
        for selected in chosen:
            if selected.kind == "sdist":
                _lock_build(context, selected, inspection.inspect(context.resolver, selected), builds)
            requires = builds.environments.get(selected.sha256.hex, ())
            builds.files.append(_to_record(selected, platform, groups=("build",), requires=(), build=requires))


def _keep_build(choice: Choice, previous: Lock | None, constraints: Iterable[str]) -> list[Distribution] | None:
    """Return the locked build environment of an unchanged sdist, or None if it is unknown, incomplete or excluded."""
    known = [record for record in previous.distributions if record.sha256 == choice.sha256] if previous else []
    if not known or previous is None or any(record.build for record in previous.build_distributions):
        return None
    wanted = set(known[0].build)
    kept = [record for record in previous.build_distributions if f"{record.name}=={record.version}" in wanted]
    is_complete = {f"{distribution.name}=={distribution.version}" for distribution in kept} == wanted
    return kept if is_complete and all(_fits(distribution, constraints) for distribution in kept) else None


def _fits(distribution: Distribution, constraints: Iterable[str]) -> bool:
    named = [one for line in constraints if canonicalize_name((one := Requirement(line)).name) == distribution.name]
    return all(one.specifier.contains(distribution.version, prereleases=True) for one in named)


def _list_distributions(context: _Context, states: Iterable[_Resolved], builds: _Builds) -> Iterable[Distribution]:
    for state in states:
        for name, requires in state.everything.edges.items():
            choice = state.choices[name]
            groups = ("dev", "runtime") if name in state.runtime.edges else ("dev",)
            build = builds.environments.get(choice.sha256.hex, ())
            record = _to_record(choice, state.platform, groups=groups, requires=requires, build=build)
            yield _name_origin(record, context.packages.get(name))


def _to_record(
    choice: Choice, platform: str, *, groups: tuple[str, ...], requires: tuple[str, ...], build: tuple[str, ...]
) -> Distribution:
    return Distribution(
        name=choice.name,
        version=choice.version,
        file=choice.file,
        kind=choice.kind,
        sha256=choice.sha256,
        size=choice.size,
        groups=groups,
        platforms=(platform,),
        requires=requires,
        build=build if choice.kind == "sdist" else (),
    )


def _name_origin(record: Distribution, package: Package | None) -> Distribution:
    if package is None:
        return record
    source = package.source
    return replace(record, kind="local", file=source.path) if source.path else replace(record, source=str(source))


def _merge(records: Iterable[Distribution]) -> tuple[Distribution, ...]:
    """Merge the records of each file, which several platforms may share."""
    merged: dict[tuple[str, str], Distribution] = {}
    for record in records:
        key = (record.file, record.sha256.hex)
        known = merged.get(key, record)
        merged[key] = replace(
            known,
            groups=tuple(sorted({*known.groups, *record.groups})),
            platforms=tuple(sorted({*known.platforms, *record.platforms})),
            requires=tuple(sorted({*known.requires, *record.requires})),
            build=tuple(sorted({*known.build, *record.build})),
        )
    return tuple(merged.values())


def _list_pins(project: Project, states: Sequence[_Resolved], *, dev: bool) -> Iterable[Pin]:
    """Return the pins of one requirements file, with a marker if only some platforms need them."""
    platforms: dict[tuple[str, str], list[str]] = defaultdict(list)
    found: dict[tuple[str, str], Pin] = {}
    for state in states:
        for name in state.everything.edges:
            if (name not in state.runtime.edges) == dev:
                pin = state.pins[name]
                platforms[pin.name, pin.version].append(state.platform)
                found[pin.name, pin.version] = pin
    via = _find_via(project, states, dev=dev)
    for key, pin in found.items():
        marker = _mark(pin.marker, platforms[key], project.platforms)
        yield replace(pin, marker=marker, via=via.get(pin.name, ()))


def _mark(marker: str, platforms: Sequence[str], all_platforms: Sequence[str]) -> str:
    if len(platforms) == len(all_platforms) or "platform_machine" in marker:
        return marker
    own = " or ".join(f'platform_machine == "{graph.MACHINES[platform]}"' for platform in platforms)
    return f"({marker}) and {own}" if marker else own


def _find_via(project: Project, states: Sequence[_Resolved], *, dev: bool) -> Mapping[str, tuple[str, ...]]:
    source = project.requirements.source
    shown = f"{project.name} ({source})" if source == "pyproject.toml" else f"-r {source}"
    roots = dict.fromkeys(project.requirements.runtime, shown)
    if dev:
        roots = {**dict.fromkeys(project.requirements.dev, f"{project.name} (development)"), **roots}
    edges: dict[str, set[str]] = defaultdict(set)
    for state in states:
        for name, requires in (state.everything if dev else state.runtime).edges.items():
            edges[name].update(requires)
    via: dict[str, tuple[str, ...]] = {}
    for name, children in edges.items():
        for child in children:
            via[child] = tuple(sorted({*via.get(child, ()), name}))
    for line, asked in roots.items():
        root = canonicalize_name(Requirement(line).name)
        via[root] = tuple(sorted({*via.get(root, ()), asked}))
    return via
