"""Lock a service: resolve its Debian packages and Python distributions, and write the lock files."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from estiba.digest import Digest
from estiba.errors import LockFormatError
from estiba.lock import integrity, layers, model, other_locks
from estiba.lock.debian import apt, closure, contents, debs
from estiba.lock.files import exclusive, read, write
from estiba.lock.freshness import LOCK_FILES, groups_of, hash_inputs, make_request
from estiba.lock.model import FILE_NAME, Lock
from estiba.lock.python import distributions, interpreter, pins, pip, shared_libraries
from estiba.lock.python.pins import DEV_FILE, RUNTIME_FILE
from estiba.lock.python.pip import ResolverContext, Upgrade
from estiba.lock.sdist.toolchain import Toolchain
from estiba.service import project as projects

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from estiba.lock.context import LockContext
    from estiba.lock.debian.apt import AptRoot
    from estiba.lock.model import Deb
    from estiba.lock.python.distributions import Resolution
    from estiba.service.project import Project

_MOVING: Final = ("experimental", "testing", "unstable")
"""Suites of Debian whose packages change from day to day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Options of a lock.

    Attributes:
        upgrade: Distributions that may change their version.
        upgrade_debian: Whether Debian packages may change their version.
        dry_run: Whether to leave the lock files unchanged.
    """

    upgrade: Upgrade = field(default_factory=Upgrade)
    upgrade_debian: bool = False
    dry_run: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether no upgrade is requested."""
        return not (self.upgrade.everything or self.upgrade.names or self.upgrade_debian)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Result of a lock.

    Attributes:
        lock: The new lock.
        changed: Whether the lock files differ from before.
        changes: Changed versions as `name old -> new`, with `none` for an added or removed package; in a first lock,
            those of another tool's lock that could not be kept.
        gone: Locked Debian packages (`name version`) that changed because the mirror no longer has their version.
        moving: Title of the release if its packages change from day to day, else empty.
        lacking: Sentences about shared libraries that wheels name and the image does not have.
        is_first: Whether there was no lock before.
        yanked: Sentences about locked releases that their project has withdrawn (PEP 592), with its reason.
    """

    lock: Lock
    changed: bool
    changes: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    moving: str = ""
    lacking: tuple[str, ...] = ()
    is_first: bool = False
    yanked: tuple[str, ...] = ()


def lock(folder: Path, context: LockContext, options: Options = Options(), *, fetch: Callable[[Lock], None]) -> Outcome:
    """Lock the service in a folder; a lock whose inputs are unchanged is kept unless an upgrade is requested.

    Args:
        folder: Folder of the service.
        context: Settings, download cache and runner.
        options: Upgrades, and whether to write.
        fetch: Downloads the artifacts of a lock into the store; called for sdists whose build backends have to run in
            the sandbox.

    Raises:
        ConfigError: The settings of the service are invalid.
        LockFormatError: The lock files were edited by hand.
        ResolutionError: The requirements cannot be resolved.
        BusyError: Another process locks the same folder.
    """
    with exclusive(folder):
        project = projects.load(folder)
        inputs = hash_inputs(project)
        before = read(folder, LOCK_FILES)
        previous = _load_previous(before, options)
        if previous and options.is_plain and previous.inputs == inputs:
            return Outcome(lock=previous, changed=False)
        other, seeds = _load_seeds(project, before, options)
        if other:
            context.tell(f"starting from the versions in {other}")
        found, resolution = _resolve(project, context, options=options, previous=previous, seeds=seeds, fetch=fetch)
        resolved = replace(found.lock, inputs=inputs)
        after = {
            FILE_NAME: model.render(resolved),
            RUNTIME_FILE: pins.render(resolution.runtime, python=project.python),
            DEV_FILE: pins.render(resolution.dev, python=project.python) if resolution.dev else "",
        }
        changed = after != before
        if changed and not options.dry_run:
            write(folder, after)
        return replace(
            found,
            lock=resolved,
            changed=changed,
            changes=_compare(previous, resolved) if previous else _compare_other(other, seeds, resolution),
            is_first=previous is None,
            yanked=resolution.yanked,
        )


def _load_previous(before: Mapping[str, str], options: Options) -> Lock | None:
    """Read the previous lock; a damaged one is an error, except for a full upgrade, which does not need it."""
    if not before[FILE_NAME]:
        return None
    try:
        return integrity.check(before[FILE_NAME], before[RUNTIME_FILE], before[DEV_FILE])
    except LockFormatError:
        if options.upgrade.everything:
            return None
        raise


def _load_seeds(project: Project, before: Mapping[str, str], options: Options) -> tuple[str, list[pins.Pin]]:
    """Read the pins to keep; those of another tool's lock, whose name is returned too, where there is no other."""
    if options.upgrade.everything:
        return "", []
    own = [pin for name in (RUNTIME_FILE, DEV_FILE) for pin in pins.parse(before[name], file=name)]
    return ("", own) if own else other_locks.read(project.folder, project.python, project.platforms)


def _resolve(
    project: Project,
    context: LockContext,
    *,
    options: Options,
    previous: Lock | None,
    seeds: Sequence[pins.Pin],
    fetch: Callable[[Lock], None],
) -> tuple[Outcome, Resolution]:
    root = apt.prepare(context.config, project.debian_release, runner=context.runner)
    with apt.exclusive(root):
        context.tell(f"reading the package lists of {root.title}")
        apt.update(root, force=options.upgrade_debian, runner=context.runner)
        keep = previous.debs if previous and previous.suite == project.suite and not options.upgrade_debian else ()
        found, gone = _resolve_debian(root, project, context, keep, groups=groups_of(project))
        # pip-compile resolves for the Python that runs it, so the service's own is unpacked first.
        context.tell("fetching the Debian packages of the image")
        wanted = [deb for deb in found if {"base", "service"} & set(deb.groups)]
        debs.download(root, wanted, context.artifacts, runner=context.runner)
        resolver = _prepare_resolver(root, project, context, found=found, keep=keep, fetch=fetch)
    # The apt root is left to others meanwhile: most of the time goes into this.
    context.tell("resolving the Python requirements")
    resolution = distributions.resolve(
        resolver,
        project,
        seeds=seeds,
        previous=previous,
        upgrade=options.upgrade,
    )
    with apt.exclusive(root):
        # The toolchain is large, and most services have wheels only.
        if any(distribution.kind != "wheel" for distribution in resolution.distributions):
            context.tell("resolving the Debian packages that build the sdists")
            toolchain, gone_for_build = _resolve_debian(root, project, context, keep, groups=("build",))
            found, gone = closure.merge((*found, *toolchain)), sorted({*gone, *gone_for_build})
        context.tell("checking the shared libraries that the wheels need")
        lacking = _check_libraries(root, project, context, found=found, resolution=resolution)
    outcome = Outcome(lock=_assemble(project, found, resolution, previous), changed=False, gone=tuple(gone))
    return _add_release(replace(outcome, lacking=tuple(lacking)), root, project), resolution


def _add_release(outcome: Outcome, root: AptRoot, project: Project) -> Outcome:
    """Add what the archive says of its release: whose it is, and whether it moves."""
    release = apt.read_release(root)
    is_moving = not project.debian_release.snapshot and release.get("Suite") in _MOVING
    lock = replace(outcome.lock, distribution=_name_distribution(release))
    return replace(outcome, lock=lock, moving=root.title if is_moving else "")


def _name_distribution(release: Mapping[str, str]) -> str:
    """Return name and version of another distribution than Debian, as a package URL has them."""
    words = (release.get("Origin", ""), release.get("Version", ""))
    return "" if words[0] in {"", "Debian"} else "-".join(re.sub(r"[^a-z0-9.]+", "", word.lower()) for word in words)


def _assemble(project: Project, found: Sequence[Deb], resolution: Resolution, previous: Lock | None) -> Lock:
    sizes, native = layers.measure(resolution.distributions), layers.native(resolution.distributions)
    own = {one.name for one in resolution.distributions if one.kind == "local"}
    return Lock(
        # `lock` fills in the digest, after it has compared the inputs.
        inputs=Digest("0" * 64),
        python=project.python,
        suite=project.suite,
        pockets=tuple(sorted(project.pockets)),
        platforms=project.platforms,
        debs=tuple(found),
        distributions=resolution.distributions,
        build_distributions=resolution.build_distributions,
        layers=layers.plan(sizes, previous.layers if previous else (), native=native, own=own),
    )


def _resolve_debian(
    root: AptRoot, project: Project, context: LockContext, keep: Sequence[Deb], *, groups: Sequence[str]
) -> tuple[list[Deb], list[str]]:
    return closure.resolve(root, make_request(project), groups=groups, keep=keep, runner=context.runner)


def _prepare_resolver(
    root: AptRoot,
    project: Project,
    context: LockContext,
    *,
    found: Sequence[Deb],
    keep: Sequence[Deb],
    fetch: Callable[[Lock], None],
) -> ResolverContext:
    """Unpack the locked Python for this machine, also if its platform is not one of the service's."""
    host = pip.host_platform()
    request = make_request(project)
    if host not in project.platforms:
        request = replace(request, platforms=(host,))
        found, _ = closure.resolve(root, request, groups=("base",), runner=context.runner)
        debs.download(root, found, context.artifacts, runner=context.runner)
    base = [deb for deb in found if "base" in deb.groups and host in deb.platforms]
    python = interpreter.prepare(context.cache, base, context.artifacts, python=project.python, runner=context.runner)
    toolchain = Toolchain(
        root=root,
        platform=host,
        python=project.python,
        resolve=lambda: closure.resolve(root, request, groups=("build",), keep=keep, runner=context.runner)[0],
        context=context,
        fetch=fetch,
    )
    # The answers of a build backend may depend on the Python and the packages that it finds.
    asked = [python.version, request.names("build"), project.build_constraints]
    key = Digest.of_bytes(repr(asked).encode()).hex[:16]
    return ResolverContext(
        config=context.config,
        interpreter=python,
        sdists=context.cache / "sdists" / key,
        artifacts=context.artifacts,
        call_hook_in_sandbox=toolchain.call_hook,
        build_constraints=project.build_constraints,
        runner=context.runner,
    )


def _check_libraries(
    root: AptRoot, project: Project, context: LockContext, *, found: Sequence[Deb], resolution: Resolution
) -> list[str]:
    missing = {}
    for platform in project.platforms:
        wheels = [
            distribution
            for distribution in resolution.distributions
            if platform in distribution.platforms and distribution.kind == "wheel" and "runtime" in distribution.groups
        ]
        packages = [deb for deb in found if platform in deb.platforms and {"base", "service"} & set(deb.groups)]
        libraries = debs.list_libraries(packages, context.artifacts, context.cache, runner=context.runner)
        paths = {wheel.file: context.artifacts.path(wheel.sha256) for wheel in wheels}
        missing[platform] = shared_libraries.find_missing(paths, libraries)
    return shared_libraries.judge_missing(
        missing,
        lambda platform, names: contents.find_library_packages(root, platform, names, runner=context.runner),
        choices=project.missing_libraries,
    )


def _compare_other(other: str, seeds: Sequence[pins.Pin], resolution: Resolution) -> tuple[str, ...]:
    """Return the versions of another tool's lock that were not kept; all else is new in a first lock."""
    changed = other_locks.compare(seeds, (*resolution.runtime, *resolution.dev))
    return tuple(f"{name} {old} ({other}) -> {new}" for name, old, new in changed if other)


def _compare(previous: Lock, current: Lock) -> tuple[str, ...]:
    """Return the version changes between two locks."""
    old = _versions(previous)
    new = _versions(current)
    return tuple(
        f"{name} {old.get(name, 'none')} -> {new.get(name, 'none')}"
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    )


def _versions(lock: Lock) -> dict[str, str]:
    distributions = (*lock.distributions, *lock.build_distributions)
    pairs = sorted({(record.name, record.version) for group in (lock.debs, distributions) for record in group})
    versions: dict[str, str] = {}
    for name, version in pairs:
        versions[name] = f"{versions[name]}, {version}" if name in versions else version
    return versions
