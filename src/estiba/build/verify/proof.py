"""Builds an image again and compares: ours in a second world, or a stranger's from the commit it names."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from estiba.build.flake import LOCK, lock_inputs, realise, source_words
from estiba.build.verify import isolated_store, source
from estiba.digest import Digest
from estiba.errors import VerificationError
from estiba.image import diff, layout, media_types
from estiba.image.diff import Side
from estiba.nix import commands as nix
from estiba.process import run

if TYPE_CHECKING:
    from collections.abc import Callable

    from estiba.build.verify.isolated_store import IsolatedStore
    from estiba.build.verify.subject import Subject
    from estiba.config import Config
    from estiba.image.diff import Difference
    from estiba.image.layout import Layout
    from estiba.process import Runner

_ATTRIBUTE: Final = "image"
_DIRTY: Final = "-dirty"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """The result of a verification.

    Attributes:
        expected: The digest of the image that was verified.
        found: The digest of the rebuild.
        varied: What was other when building again; empty when it was built from the commit that the image names.
        differences: What differs, with causes.
    """

    expected: Digest
    found: Digest
    varied: tuple[str, ...]
    differences: tuple[Difference, ...] = ()

    @property
    def is_same(self) -> bool:
        """Whether the rebuild is the same image."""
        return self.expected == self.found

    def to_dict(self) -> dict[str, Any]:
        """Return the form for `--json`."""
        return {
            "differences": [item.to_dict() for item in self.differences],
            "expected": str(self.expected),
            "found": str(self.found),
            "same": self.is_same,
            "varied": list(self.varied),
        }


def rebuild(
    folder: Path, config: Config, *, on_status: Callable[[str], None] | None = None, runner: Runner = run
) -> Proof:
    """Build a service's image here, then in a second world whose store is empty, and compare.

    The second store gets the locked files and nothing that was built.

    Raises:
        BuildError: One of the builds failed.
        ArtifactError: Something that the lock names is not in the store.
    """
    built = realise(folder, _ATTRIBUTE, config, on_status=on_status, runner=runner)
    first = layout.read_built(built, config.store)
    with isolated_store.create(config, runner=runner) as second_world:
        there = source.copy(folder, second_world.source, runner=runner)
        _bring_inputs(folder, config, second_world, runner)
        second_world.hand_over()
        second = _build_there(there, config, second_world, on_status=on_status, runner=runner)
        return _compare(Side.of(first), first.digest, second, varied=second_world.varied, runner=runner)


def rebuild_from_source(
    subject: Subject,
    folder: Path,
    config: Config,
    *,
    fetch: Callable[[Path], None],
    on_status: Callable[[str], None] | None = None,
    runner: Runner = run,
) -> Proof:
    """Build an image again from the commit and lock that its annotations name, and compare.

    Args:
        subject: The image.
        folder: The service's folder in a clone of its repository; elsewhere the image's own source is cloned.
        config: The environment's settings.
        fetch: Brings what a lock names into the store.
        on_status: Called with one line at a time that says how far the build is.
        runner: Runs the commands.

    Raises:
        VerificationError: The image names no commit that can be had, or another lock than its commit has.
        BuildError: The build failed.
    """
    revision = _revision(subject)
    top = source.find_top(folder, runner=runner)
    origin = str(top) if top else subject.annotations.get(media_types.SOURCE, "")
    if not origin:
        message = f"{subject.name} names no source, and {folder} is in no git repository"
        raise VerificationError(message, hint="run this in a clone of the image's repository")
    with tempfile.TemporaryDirectory(prefix="estiba-source-") as place:
        clone = source.check_out(origin, revision, Path(place).resolve() / "source", runner=runner)
        there = clone / folder.resolve().relative_to(top) if top else clone
        _check_lock(subject, there / LOCK)
        fetch(there)
        built = realise(there, subject.attribute, config, on_status=on_status, runner=runner)
        second = layout.read_built(built, config.store)
        return _compare(subject.side, subject.digest, second, varied=(), runner=runner)


def _bring_inputs(folder: Path, config: Config, there: IsolatedStore, runner: Runner) -> None:
    """Copy everything that is named by its content into the second store."""
    words = source_words(folder, _ATTRIBUTE, config)
    wanted = nix.fixed_outputs(*words, lock_file=lock_inputs(folder, config, runner=runner), runner=runner)
    missing = set(nix.find_invalid(wanted, runner=runner))
    nix.copy([path for path in wanted if path not in missing], there.store, runner=runner)


def _build_there(
    folder: Path, config: Config, there: IsolatedStore, *, on_status: Callable[[str], None] | None, runner: Runner
) -> Layout:
    built = realise(folder, _ATTRIBUTE, config, options=there.options, on_status=on_status, runner=there.runner(runner))
    return layout.read(there.store / built.relative_to("/"), root=there.store)


def _compare(first: Side, expected: Digest, second: Layout, *, varied: tuple[str, ...], runner: Runner) -> Proof:
    if expected == second.digest:
        return Proof(expected=expected, found=second.digest, varied=varied)
    found = tuple(diff.compare(first, Side.of(second), runner=runner))
    return Proof(expected=expected, found=second.digest, varied=varied, differences=found)


def _revision(subject: Subject) -> str:
    """Return the commit that an image was built from."""
    revision = subject.annotations.get(media_types.REVISION, "")
    if not revision:
        message = f"{subject.name} has no annotation {media_types.REVISION}"
        raise VerificationError(message, hint="only an image that was built from a git commit can be verified")
    if revision.endswith(_DIRTY):
        message = f"{subject.name} was built from {revision.removesuffix(_DIRTY)} with changes that were not committed"
        raise VerificationError(message, hint="commit, build and push again")
    return revision


def _check_lock(subject: Subject, lock: Path) -> None:
    """Hold that the commit has the lock that the image was built from."""
    expected = subject.annotations.get(media_types.LOCK_DIGEST, "")
    found = str(Digest.of_file(lock)) if lock.is_file() else "none"
    if found != expected:
        message = f"{subject.name} was built from lock {expected or '(not told)'}, its commit has {found}"
        raise VerificationError(message, hint="the image was not built from the commit that it names")
