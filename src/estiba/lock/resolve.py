"""Lock a service: resolve what it needs, and write the lock files together."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from estiba.digest import Digest
from estiba.errors import LockFormatError, StaleLockError
from estiba.lock import integrity, layers, model
from estiba.lock.debian import apt, closure, contents, debs
from estiba.lock.files import exclusive, read, write
from estiba.lock.model import FILE_NAME, Lock
from estiba.lock.python import distributions, interpreter, pins, pip, shared_libraries
from estiba.lock.python.pins import DEV_FILE, RUNTIME_FILE
from estiba.lock.python.pip import Bench, Upgrade
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

_LOCK_FILES: Final = (FILE_NAME, RUNTIME_FILE, DEV_FILE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to lock.

    Attributes:
        upgrade: Which distributions may move.
        upgrade_debian: Whether Debian packages may.
        dry_run: Whether to write nothing.
    """

    upgrade: Upgrade = field(default_factory=Upgrade)
    upgrade_debian: bool = False
    dry_run: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether nothing is to be upgraded."""
        return not (self.upgrade.everything or self.upgrade.names or self.upgrade_debian)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What locking did.

    Attributes:
        lock: The lock.
        changed: Whether the files differ from before.
        changes: `name old -> new` of everything that moved, came or went.
        gone: Locked Debian versions that could not be kept since the mirror has them no more.
    """

    lock: Lock
    changed: bool
    changes: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()


def lock(folder: Path, context: LockContext, options: Options = Options(), *, fetch: Callable[[Lock], None]) -> Outcome:
    """Lock the service in a folder; without a change in its inputs and with no upgrade asked for, touch nothing.

    Args:
        folder: The service's folder.
        context: Where to work.
        options: How to lock.
        fetch: Brings what a lock names into the store; for sdists whose backends are asked in the sandbox.

    Raises:
        ConfigError: The project is not in order.
        LockFormatError: The lock files were edited by hand.
        ResolutionError: Something does not resolve.
        BusyError: Another process locks the same folder.
    """
    with exclusive(folder):
        project = projects.load(folder)
        inputs = hash_inputs(project)
        before = read(folder, _LOCK_FILES)
        previous = _load_previous(before, options)
        if previous and options.is_plain and previous.inputs == inputs:
            return Outcome(lock=previous, changed=False)
        seeds = [] if options.upgrade.everything else _load_seeds(before)
        made, resolution, gone = _resolve(
            project, context, options=options, previous=previous, seeds=seeds, fetch=fetch
        )
        after = {
            FILE_NAME: model.render(replace(made, inputs=inputs)),
            RUNTIME_FILE: pins.render(resolution.runtime, python=project.python),
            DEV_FILE: pins.render(resolution.dev, python=project.python) if resolution.dev else "",
        }
        changed = after != before
        if changed and not options.dry_run:
            write(folder, after)
        return Outcome(
            lock=replace(made, inputs=inputs), changed=changed, changes=_compare(previous, made), gone=tuple(gone)
        )


def check(folder: Path) -> Lock:
    """Return the lock of the service in a folder if it belongs to its inputs.

    Raises:
        StaleLockError: There is no lock, or the inputs changed since.
        LockFormatError: The lock files were edited by hand.
    """
    project = projects.load(folder)
    before = read(folder, _LOCK_FILES)
    if not before[FILE_NAME]:
        msg = f"{project.name} has no {FILE_NAME}"
        raise StaleLockError(msg, hint="invoke lock")
    found = integrity.check(before[FILE_NAME], before[RUNTIME_FILE], before[DEV_FILE])
    if found.inputs != hash_inputs(project):
        msg = f"{FILE_NAME} is stale: the requirements or settings of {project.name}, or Estiba itself, changed since"
        raise StaleLockError(msg, hint="invoke lock")
    return found


def hash_inputs(project: Project) -> Digest:
    """Hash everything that a lock is resolved from; nothing else makes it stale."""
    request = _request(project)
    inputs = {
        "version": model.VERSION,
        # What Estiba itself asks for, so that an Estiba that needs more asks for a new lock.
        "groups": {group: request.names(group) for group in (*_groups(project), "build")},
        "python": project.python,
        "suite": project.suite,
        "pockets": project.pockets,
        "platforms": project.platforms,
        "runtime": project.requirements.runtime,
        "dev": project.requirements.dev,
        "constraints": project.requirements.constraints,
    }
    return Digest.of_bytes(json.dumps(inputs, sort_keys=True).encode())


def _load_previous(before: Mapping[str, str], options: Options) -> Lock | None:
    """Read the last lock; one that is damaged stops everything but a full upgrade, which needs nothing of it."""
    if not before[FILE_NAME]:
        return None
    try:
        return integrity.check(before[FILE_NAME], before[RUNTIME_FILE], before[DEV_FILE])
    except LockFormatError:
        if options.upgrade.everything:
            return None
        raise


def _load_seeds(before: Mapping[str, str]) -> list[pins.Pin]:
    """Read the pins to keep; also those of a project that only pip-tools has locked so far."""
    return [pin for name in (RUNTIME_FILE, DEV_FILE) for pin in pins.parse(before[name], file=name)]


def _resolve(
    project: Project,
    context: LockContext,
    *,
    options: Options,
    previous: Lock | None,
    seeds: Sequence[pins.Pin],
    fetch: Callable[[Lock], None],
) -> tuple[Lock, Resolution, list[str]]:
    root = apt.prepare(context.config, project.suite, project.pockets, runner=context.runner)
    with apt.exclusive(root):
        context.tell(f"reading the package lists of Debian {project.suite}")
        apt.update(root, force=options.upgrade_debian, runner=context.runner)
        keep = previous.debs if previous and previous.suite == project.suite and not options.upgrade_debian else ()
        found, gone = _resolve_debian(root, project, context, keep, groups=_groups(project))
        context.tell("fetching the Debian packages of the image")
        wanted = [deb for deb in found if {"base", "service"} & set(deb.groups)]
        debs.download(root, wanted, context.artifacts, runner=context.runner)
        bench = _prepare_bench(root, project, context, found=found, keep=keep, fetch=fetch)
        context.tell("resolving the Python requirements")
        resolution = distributions.resolve(
            bench,
            project,
            seeds=seeds,
            previous=previous,
            upgrade=options.upgrade,
        )
        if any(one.kind == "sdist" for one in resolution.distributions):
            context.tell("resolving the Debian packages that build the sdists")
            toolchain, gone_too = _resolve_debian(root, project, context, keep, groups=("build",))
            found, gone = closure.merge((*found, *toolchain)), sorted({*gone, *gone_too})
        context.tell("checking the shared libraries that the wheels need")
        _check_libraries(root, project, context, found=found, resolution=resolution)
    return _assemble(project, found, resolution, previous), resolution, gone


def _assemble(project: Project, found: Sequence[Deb], resolution: Resolution, previous: Lock | None) -> Lock:
    sizes, native = layers.measure(resolution.distributions), layers.native(resolution.distributions)
    return Lock(
        inputs=Digest("0" * 64),
        python=project.python,
        suite=project.suite,
        pockets=tuple(sorted(project.pockets)),
        platforms=project.platforms,
        debs=tuple(found),
        distributions=resolution.distributions,
        build_distributions=resolution.build_distributions,
        layers=layers.plan(sizes, previous.layers if previous else (), native=native),
    )


def _resolve_debian(
    root: AptRoot, project: Project, context: LockContext, keep: Sequence[Deb], *, groups: Sequence[str]
) -> tuple[list[Deb], list[str]]:
    return closure.resolve(root, _request(project), groups=groups, keep=keep, runner=context.runner)


def _groups(project: Project) -> tuple[str, ...]:
    """Return the groups of packages that the service always needs, whatever its distributions turn out to be."""
    prepare = ("prepare",) if project.prepare and project.debian_build else ()
    return ("base", "service", "check", *prepare)


def _request(project: Project) -> closure.Request:
    return closure.Request(
        python=project.python,
        suite=project.suite,
        platforms=project.platforms,
        service=project.debian,
        build=project.debian_build,
    )


def _prepare_bench(
    root: AptRoot,
    project: Project,
    context: LockContext,
    *,
    found: Sequence[Deb],
    keep: Sequence[Deb],
    fetch: Callable[[Lock], None],
) -> Bench:
    """Unpack the locked Python for this machine, also where the service is not locked for machines of its kind."""
    host = pip.host_platform()
    request = _request(project)
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
    # What a backend answers may depend on what it finds.
    key = Digest.of_bytes(repr([python.version, request.names("build")]).encode()).hex[:16]
    return Bench(
        config=context.config,
        interpreter=python,
        sdists=context.cache / "sdists" / key,
        artifacts=context.artifacts,
        ask=toolchain.ask,
        runner=context.runner,
    )


def _check_libraries(
    root: AptRoot, project: Project, context: LockContext, *, found: Sequence[Deb], resolution: Resolution
) -> None:
    missing = {}
    for platform in project.platforms:
        chosen = [
            one
            for one in resolution.distributions
            if platform in one.platforms and one.kind == "wheel" and "runtime" in one.groups
        ]
        packages = [deb for deb in found if platform in deb.platforms and {"base", "service"} & set(deb.groups)]
        libraries = debs.list_libraries(packages, context.artifacts, context.cache, runner=context.runner)
        paths = {one.file: context.artifacts.path(one.sha256) for one in chosen}
        missing[platform] = shared_libraries.find_missing(paths, libraries)
    shared_libraries.refuse_missing(
        missing, lambda platform, names: contents.find_packages(root, platform, names, runner=context.runner)
    )


def _compare(previous: Lock | None, made: Lock) -> tuple[str, ...]:
    """List what moved between two locks."""
    old = _versions(previous) if previous else {}
    new = _versions(made)
    return tuple(
        f"{name} {old.get(name, 'none')} -> {new.get(name, 'none')}"
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    )


def _versions(found: Lock) -> dict[str, str]:
    pairs = sorted({(one.name, one.version) for one in found.artifacts})
    versions: dict[str, str] = {}
    for name, version in pairs:
        versions[name] = f"{versions[name]}, {version}" if name in versions else version
    return versions
