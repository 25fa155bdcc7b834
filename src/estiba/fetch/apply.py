"""Download the artifacts of a lock with apt, pip and npm, and add them to the Nix store."""

from __future__ import annotations

import re
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from estiba.errors import ArtifactError, CommandError
from estiba.fetch import npm, store
from estiba.fetch.plan import plan as make_plan
from estiba.lock.debian import apt, debs
from estiba.lock.direct import repository
from estiba.lock.model import FILE_NAME
from estiba.lock.python.interpreter import drive
from estiba.service import project as projects
from estiba.service.declarations import direct

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from estiba.fetch.plan import FetchPlan
    from estiba.lock.context import LockContext
    from estiba.lock.model import Deb, Distribution, Lock
    from estiba.service.frontend import Tarball

_GOT: Final = re.compile(r"got (\d+) (\S+)")
_DIVIDER: Final = "\n  - "


def apply(lock: Lock, wanted: FetchPlan, context: LockContext, *, advance: Callable[[int], None]) -> None:
    """Download the artifacts of a plan, check their hashes, and add them to the store.

    After an interruption the next call continues; partial downloads are kept.

    Args:
        lock: Lock that the plan was made from.
        wanted: Fetch plan.
        context: Download cache and runner.
        advance: Called with the number of bytes of each downloaded part, from any thread.

    Raises:
        ArtifactError: Artifacts are gone from their mirror or have another hash; the message lists all of them.
    """
    with ThreadPoolExecutor(2) as pool:
        jobs = [
            pool.submit(_fetch_debs, lock, wanted.debs, context, advance),
            pool.submit(_fetch_distributions, wanted.distributions, context, advance),
        ]
        problems = [job.exception() for job in jobs]
    # What has arrived is added even if something else failed, so that the next run has less to do.
    _add((*wanted.debs, *wanted.distributions), context)
    for problem in problems:
        if problem:
            raise problem
    _fetch_tarballs(wanted.tarballs, context)


def fetch(lock: Lock, context: LockContext) -> None:
    """Download all artifacts of a lock that this machine needs and the store lacks.

    Raises:
        ArtifactError: As for `apply`.
    """
    apply(lock, make_plan(lock, runner=context.runner), context, advance=lambda _: None)


def _fetch_debs(lock: Lock, wanted: Sequence[Deb], context: LockContext, advance: Callable[[int], None]) -> None:
    for deb in wanted:
        if context.artifacts.has(deb.sha256):
            advance(deb.size)
    if all(context.artifacts.has(deb.sha256) for deb in wanted):
        return
    release = replace(projects.load(context.folder).debian_release, suite=lock.suite, pockets=lock.pockets)
    root = apt.prepare(context.config, release, runner=context.runner)

    def on_done(deb: Deb) -> None:
        advance(deb.size)

    with apt.exclusive(root):
        debs.download(root, wanted, context.artifacts, on_done=on_done, runner=context.runner)


def _fetch_distributions(wanted: Sequence[Distribution], context: LockContext, advance: Callable[[int], None]) -> None:
    for distribution in wanted:
        if context.artifacts.has(distribution.sha256):
            advance(distribution.size)
    missing = [distribution for distribution in wanted if not context.artifacts.has(distribution.sha256)]
    if not missing:
        return
    _fetch_repositories([one for one in missing if one.source], context, advance)
    missing = [one for one in missing if not one.source]
    if not missing:
        return
    request = {
        "action": "fetch",
        "cache": str(context.artifacts.folder),
        "files": [
            {"name": distribution.name, "file": distribution.file, "sha256": distribution.sha256.hex}
            for distribution in missing
        ],
    }
    answers = _drive(request, context, advance)
    problems = [f"{answer['file']}: {answer['error']}" for answer in answers if "error" in answer]
    if problems:
        msg = f"some distributions could not be fetched:{_DIVIDER}{_DIVIDER.join(problems)}"
        raise ArtifactError(msg, hint="check pip's configuration, or lock anew: invoke lock --upgrade")


def _fetch_repositories(wanted: Sequence[Distribution], context: LockContext, advance: Callable[[int], None]) -> None:
    for distribution in wanted:
        _, source = direct.parse(f"{distribution.name} @ {distribution.source}", context.cache)
        got = repository.fetch(source, context.artifacts, config=context.config, runner=context.runner)
        if got != distribution.sha256:
            msg = f"{distribution.source} has other files than those that are locked: expected {distribution.sha256}"
            raise ArtifactError(msg, hint="another Estiba wrote the lock, or it was edited: invoke lock --upgrade")
        advance(distribution.size)


def _fetch_tarballs(wanted: Sequence[Tarball], context: LockContext) -> None:
    """Fetch the packages of the front end, by an npm whose Debian packages have just been fetched."""
    settings = projects.load(context.folder).frontend if wanted else None
    if settings:
        npm.fetch(wanted, context.folder / settings.folder, context.folder / FILE_NAME, context)


def _drive(request: Mapping[str, object], context: LockContext, advance: Callable[[int], None]) -> list[dict[str, Any]]:
    def listen(line: str) -> None:
        if match := _GOT.fullmatch(line):
            advance(int(match[1]))

    try:
        answers: list[dict[str, Any]] = drive(
            Path(sys.executable), request, config=context.config, on_line=listen, runner=context.runner
        )
    except CommandError as error:
        msg = f"pip failed:\n{error.tail}"
        raise ArtifactError(msg, hint="invoke fetch goes on where it stopped") from error
    return answers


def _add(wanted: Sequence[Deb | Distribution], context: LockContext) -> None:
    """Add downloaded artifacts to the store."""
    arrived = [artifact for artifact in wanted if context.artifacts.has(artifact.sha256)]
    if damaged := store.add([(artifact, context.artifacts.path(artifact.sha256)) for artifact in arrived], context):
        listed = _DIVIDER.join(artifact.file for artifact in damaged)
        msg = f"the download cache held damaged files, now removed:{_DIVIDER}{listed}"
        raise ArtifactError(msg, hint="invoke fetch brings them again")
