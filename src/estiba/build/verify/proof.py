"""Verification of an image: rebuild it in an isolated store, or from the commit that it names, and compare digests."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from estiba.build.flake import LOCK, installable_arguments, lock_inputs, realise
from estiba.build.verify import isolated_store, source
from estiba.digest import Digest
from estiba.errors import VerificationError
from estiba.image import diff, layout, media_types
from estiba.image.diff import ImageSet
from estiba.nix import commands as nix
from estiba.process import run

if TYPE_CHECKING:
    from collections.abc import Callable

    from estiba.build.verify.candidate import Candidate
    from estiba.build.verify.isolated_store import IsolatedStore
    from estiba.config import Config
    from estiba.image.diff import Difference
    from estiba.image.layout import Layout
    from estiba.process import Runner

_ATTRIBUTE: Final = "image"
_DIRTY: Final = "-dirty"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """Result of a verification.

    Attributes:
        expected: Digest of the verified image.
        found: Digest of the rebuild.
        varied: Properties of the environment that the rebuild varied; empty for a rebuild from the image's commit.
        differences: Differences between the two images, with causes.
    """

    expected: Digest
    found: Digest
    varied: tuple[str, ...]
    differences: tuple[Difference, ...] = ()

    @property
    def is_same(self) -> bool:
        """Whether the rebuild has the same digest."""
        return self.expected == self.found

    def to_dict(self) -> dict[str, Any]:
        """Return the result in the form of `--json`."""
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
    """Build the image of a service here and in an isolated, empty store, and compare.

    Only outputs of fixed-output derivations, such as the locked artifacts, are copied to the second store; everything
    else is built again.

    Raises:
        BuildError: One of the builds failed.
        ArtifactError: Locked artifacts are not in the store.
    """
    built = realise(folder, _ATTRIBUTE, config, on_status=on_status, runner=runner)
    first = layout.read_built(built, config.store)
    with isolated_store.create(config, runner=runner) as isolated:
        there = source.copy(folder, isolated.source, runner=runner)
        _copy_inputs(folder, config, isolated, runner)
        isolated.chown()
        second = _build_isolated(there, config, isolated, on_status=on_status, runner=runner)
        return _compare(ImageSet.of(first), first.digest, second, varied=isolated.varied, runner=runner)


def rebuild_from_source(
    candidate: Candidate,
    folder: Path,
    config: Config,
    *,
    fetch: Callable[[Path], None],
    on_status: Callable[[str], None] | None = None,
    runner: Runner = run,
) -> Proof:
    """Build an image from the commit and lock that its annotations name, and compare.

    Args:
        candidate: Image to verify.
        folder: Folder of the service in a clone of its repository; if it is in none, the repository in the image's
            annotations is cloned.
        config: Settings from the environment.
        fetch: Downloads the artifacts of the lock of the service in a folder.
        on_status: Called with one progress message at a time.
        runner: Runs Nix and git.

    Raises:
        VerificationError: The image names no commit, the commit cannot be cloned, or its lock is another one.
        BuildError: The build failed.
    """
    revision = _revision(candidate)
    top = source.find_top(folder, runner=runner)
    origin = str(top) if top else candidate.annotations.get(media_types.SOURCE, "")
    if not origin:
        message = f"{candidate.name} names no source, and {folder} is in no git repository"
        raise VerificationError(message, hint="run this in a clone of the image's repository")
    with tempfile.TemporaryDirectory(prefix="estiba-source-") as place:
        clone = source.check_out(origin, revision, Path(place).resolve() / "source", runner=runner)
        there = clone / folder.resolve().relative_to(top) if top else clone
        _check_lock(candidate, there / LOCK)
        fetch(there)
        built = realise(there, candidate.attribute, config, on_status=on_status, runner=runner)
        second = layout.read_built(built, config.store)
        return _compare(candidate.image_set, candidate.digest, second, varied=(), runner=runner)


def _copy_inputs(folder: Path, config: Config, there: IsolatedStore, runner: Runner) -> None:
    """Copy the outputs of all fixed-output derivations into the isolated store."""
    words = installable_arguments(folder, _ATTRIBUTE, config)
    wanted = nix.fixed_outputs(*words, lock_file=lock_inputs(folder, config, runner=runner), runner=runner)
    missing = set(nix.find_invalid(wanted, runner=runner))
    nix.copy([path for path in wanted if path not in missing], there.store, runner=runner)


def _build_isolated(
    folder: Path, config: Config, there: IsolatedStore, *, on_status: Callable[[str], None] | None, runner: Runner
) -> Layout:
    built = realise(folder, _ATTRIBUTE, config, options=there.options, on_status=on_status, runner=there.runner(runner))
    return layout.read(there.store / built.relative_to("/"), root=there.store)


def _compare(first: ImageSet, expected: Digest, second: Layout, *, varied: tuple[str, ...], runner: Runner) -> Proof:
    if expected == second.digest:
        return Proof(expected=expected, found=second.digest, varied=varied)
    found = tuple(diff.compare(first, ImageSet.of(second), runner=runner))
    return Proof(expected=expected, found=second.digest, varied=varied, differences=found)


def _revision(candidate: Candidate) -> str:
    """Return the commit in the annotations of an image."""
    revision = candidate.annotations.get(media_types.REVISION, "")
    if not revision:
        message = f"{candidate.name} has no annotation {media_types.REVISION}"
        raise VerificationError(message, hint="only an image that was built from a git commit can be verified")
    if revision.endswith(_DIRTY):
        message = f"{candidate.name} was built from {revision.removesuffix(_DIRTY)} with uncommitted changes"
        raise VerificationError(message, hint="commit, build and push again")
    return revision


def _check_lock(candidate: Candidate, lock: Path) -> None:
    """Raise an error unless the commit has the lock that the image was built from."""
    expected = candidate.annotations.get(media_types.LOCK_DIGEST, "")
    found = str(Digest.of_file(lock)) if lock.is_file() else "none"
    if found != expected:
        message = f"{candidate.name} was built from lock {expected or '(not named)'}, its commit has {found}"
        raise VerificationError(message, hint="the image was not built from the commit that it names")
