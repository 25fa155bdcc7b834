"""Send store paths to a binary cache: compressed, signed, references first, and never twice."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from estiba.cache import archive, remote
from estiba.cache.copy_log import CopyLog
from estiba.errors import CacheError, CommandError
from estiba.process import run

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from estiba.cache.address import Address
    from estiba.cache.keys import SigningKey
    from estiba.cache.remote import Entry
    from estiba.process import Runner

_SHOWN: Final = 5
_TRIES: Final = 4
_PAUSE: Final = 0.25
_REFUSED: Final = re.compile(r"HTTP error 4(?!08|29)")


@dataclass(frozen=True, slots=True, kw_only=True)
class PushPlan:
    """What a push will do.

    Attributes:
        address: The cache.
        key: What signs.
        roots: The store paths that were asked for.
        wanted: What the cache lacks of them and of all that they refer to.
        unsigned: What it has without a signature of this key.
        damaged: What it has with an archive that is missing or cut short, after a crash for example.
        present: How many paths it has already.
    """

    address: Address
    key: SigningKey
    roots: tuple[str, ...]
    wanted: tuple[Entry, ...]
    unsigned: tuple[str, ...]
    damaged: tuple[Entry, ...]
    present: int

    @property
    def size(self) -> int:
        """Bytes to send, before compression."""
        return sum(entry.nar_size for entry in self.wanted)

    def to_dict(self) -> dict[str, Any]:
        """Return what `invoke cache.push --json` prints."""
        return {
            "paths": [entry.path for entry in self.wanted],
            "present": self.present,
            "public_key": str(self.key.public),
            "repaired": [entry.path for entry in self.damaged],
            "signed": list(self.unsigned),
            "size": self.size,
            "url": self.address.url,
        }


def plan(
    address: Address, roots: Sequence[str], *, key: SigningKey, with_inputs: bool = False, runner: Runner = run
) -> PushPlan:
    """Find out what a cache lacks.

    Args:
        address: The cache; a folder need not exist.
        roots: Store paths.
        key: What signs.
        with_inputs: Also send what they were built from, so that others can change and build without fetching.
        runner: Runs Nix.

    Raises:
        CacheError: A path is not in this store, the cache cannot be reached, or has other contents for a path.
    """
    ours = _closure(_with_inputs(roots, runner) if with_inputs else list(roots), runner)
    theirs = _published(address, [entry.path for entry in ours], runner)
    damaged = tuple(entry for entry in theirs.values() if archive.find_damage(address, entry))
    for entry in damaged:
        del theirs[entry.path]
    _refuse_conflicts(address, ours, theirs)
    return PushPlan(
        address=address,
        key=key,
        roots=tuple(entry.path for entry in ours) if with_inputs else tuple(roots),
        wanted=tuple(entry for entry in ours if entry.path not in theirs),
        unsigned=_unsigned(address, theirs, key, runner),
        damaged=damaged,
        present=len(theirs),
    )


def push(
    wanted: PushPlan,
    *,
    advance: Callable[[int], None],
    sleep: Callable[[float], None] = time.sleep,
    runner: Runner = run,
) -> None:
    """Do what a plan says; after an interruption, the next push goes on where this one ended.

    Args:
        wanted: The plan.
        advance: Called with the bytes of each path that has arrived, from a thread.
        sleep: Waits before another try.
        runner: Runs Nix.

    Raises:
        CacheError: The cache refused, or stays away.
    """
    for entry in wanted.damaged:
        archive.withdraw(wanted.address, entry)
    sizes = {entry.path: entry.nar_size for entry in wanted.wanted}
    try:
        if wanted.unsigned:
            remote.sign(wanted.address, wanted.unsigned, key=wanted.key.file, runner=runner)
        if wanted.wanted:
            # A path that fails ends too, and is counted once.
            _copy(wanted, lambda path: advance(sizes.pop(path, 0)), sleep, runner)
    except CommandError as error:
        message = f"cannot push to {wanted.address}: {_last_line(error)}"
        raise CacheError(message, hint="run the command again; what has arrived is not sent twice") from error


def _copy(wanted: PushPlan, on_path: Callable[[str], None], sleep: Callable[[float], None], runner: Runner) -> None:
    """Copy, and copy again what is missing after a server has failed.

    Nix's own retries do not help: up to 2.33 it sends an empty body the second time.
    """
    left, failed = len(wanted.wanted), 0
    while True:
        log = CopyLog(on_path)
        try:
            remote.copy(wanted.address, wanted.roots, key=wanted.key.file, on_line=log, runner=runner)
        except CommandError as error:
            told = CommandError(error.argv, error.code, log.failure() or error.tail)
            failed += 1
            if wanted.address.folder or failed == _TRIES or _REFUSED.search(told.tail):
                raise told from error
            sleep(_PAUSE * 2**failed)
            missing = _count_missing(wanted, runner)
            left, failed = missing, 0 if missing < left else failed
        else:
            return


def _count_missing(wanted: PushPlan, runner: Runner) -> int:
    try:
        found = remote.query(wanted.address, [entry.path for entry in wanted.wanted], runner=runner)
    except CommandError:
        return len(wanted.wanted)
    return len(wanted.wanted) - len(found)


def _last_line(error: CommandError) -> str:
    return error.tail.strip().split("\n")[-1].strip().removeprefix("error: ")


def _closure(roots: Sequence[str], runner: Runner) -> list[Entry]:
    try:
        return remote.closure(roots, runner=runner)
    except CommandError as error:
        message = f"not in this machine's store: {', '.join(roots[:_SHOWN])}\n{error.tail}"
        raise CacheError(message, hint="invoke build") from error


def _with_inputs(roots: Sequence[str], runner: Runner) -> list[str]:
    try:
        found = {path for root in roots for path in remote.inputs(root, runner=runner)}
    except CommandError as error:
        message = f"this machine's Nix does not know what {', '.join(roots)} was built from"
        raise CacheError(message, hint="push from the machine that built it, or leave out --inputs") from error
    return sorted(found | set(roots))


def _published(address: Address, paths: Sequence[str], runner: Runner) -> dict[str, Entry]:
    """Ask a cache what it has; asking for a folder would make it, so a missing one has nothing."""
    if address.folder and not (address.folder / "nix-cache-info").exists():
        return {}
    try:
        return {entry.path: entry for entry in remote.query(address, paths, runner=runner)}
    except CommandError as error:
        message = f"the cache at {address} cannot be used: {_last_line(error)}"
        raise CacheError(message, hint="look at the address, and whether the server runs and lets you in") from error


def _refuse_conflicts(address: Address, ours: Sequence[Entry], theirs: dict[str, Entry]) -> None:
    others = [entry.path for entry in ours if (other := theirs.get(entry.path)) and other.nar_hash != entry.nar_hash]
    if others:
        message = (
            f"{address} has other contents for {', '.join(others[:_SHOWN])}; what is published never changes, "
            "as other machines may have it already"
        )
        raise CacheError(message, hint="invoke build.verify tells whether this build can be repeated")


def _unsigned(address: Address, theirs: dict[str, Entry], key: SigningKey, runner: Runner) -> tuple[str, ...]:
    """Return what a cache has without a signature of ours, which happens when a cache gets a new key."""
    needing = [entry.path for entry in theirs.values() if not entry.is_content_addressed]
    verdict = remote.verify(address, needing, public_key=str(key.public), runner=runner)
    forged = sorted(path for path in verdict.untrusted if key.public.name in theirs[path].keys)
    if forged:
        message = (
            f"{address} has signatures of another key that is called {key.public.name} too: "
            f"{', '.join(forged[:_SHOWN])}"
        )
        raise CacheError(
            message, hint="push with that key, or make one of another name: invoke cache.keygen --name NAME"
        )
    return tuple(sorted(verdict.untrusted))
