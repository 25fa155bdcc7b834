"""Push of store paths to a binary cache: compressed, signed, references first, only what the cache lacks."""

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
    from estiba.cache.remote import PathInfo
    from estiba.process import Runner

_SHOWN: Final = 5
_TRIES: Final = 4
_PAUSE: Final = 0.25
# Client errors are final, except for 408 (request timeout) and 429 (too many requests).
_REFUSED: Final = re.compile(r"HTTP error 4(?!08|29)")


@dataclass(frozen=True, slots=True, kw_only=True)
class PushPlan:
    """Plan of a push.

    Attributes:
        address: Address of the cache.
        key: Signing key.
        roots: Store paths to push, with their closures.
        wanted: Store paths of the closures that the cache lacks.
        unsigned: Store paths that the cache has without a signature of the key.
        damaged: Store paths whose archive in the cache is missing or truncated, for example after a crash.
        present: Number of store paths that the cache has already.
    """

    address: Address
    key: SigningKey
    roots: tuple[str, ...]
    wanted: tuple[PathInfo, ...]
    unsigned: tuple[str, ...]
    damaged: tuple[PathInfo, ...]
    present: int

    @property
    def public_key(self) -> str:
        """Public key of the signatures, as `name:base64`."""
        return str(self.key.public)

    @property
    def size(self) -> int:
        """Size of the store paths to send in bytes, uncompressed (NAR size)."""
        return sum(entry.nar_size for entry in self.wanted)

    def to_dict(self) -> dict[str, Any]:
        """Return the plan in the form of `invoke cache.push --json`."""
        return {
            "paths": [entry.path for entry in self.wanted],
            "present": self.present,
            "public_key": self.public_key,
            "repaired": [entry.path for entry in self.damaged],
            "signed": list(self.unsigned),
            "size": self.size,
            "url": self.address.url,
        }


def plan(
    address: Address, roots: Sequence[str], *, key: SigningKey, with_inputs: bool = False, runner: Runner = run
) -> PushPlan:
    """Return the plan of a push.

    Args:
        address: Address of the cache; a folder need not exist.
        roots: Store paths to push, with their closures.
        key: Signing key.
        with_inputs: Also push the build closures, so that others can change the service and build without `fetch`.
        runner: Runs Nix.

    Raises:
        CacheError: A path is not in this machine's store, the cache is unreachable, or has other contents for a path.
    """
    local = read_closure(roots, inputs_for=address if with_inputs else None, runner=runner)
    published = _published(address, [entry.path for entry in local], runner)
    damaged = tuple(entry for entry in published.values() if archive.find_damage(address, entry))
    for entry in damaged:
        del published[entry.path]
    _refuse_conflicts(address, local, published)
    return PushPlan(
        address=address,
        key=key,
        roots=tuple(entry.path for entry in local) if with_inputs else tuple(roots),
        wanted=tuple(entry for entry in local if entry.path not in published),
        unsigned=_find_unsigned(address, published, key, runner),
        damaged=damaged,
        present=len(published),
    )


def push(
    wanted: PushPlan,
    *,
    advance: Callable[[int], None],
    sleep: Callable[[float], None] = time.sleep,
    runner: Runner = run,
) -> None:
    """Execute a plan; after an interruption the next push continues.

    Args:
        wanted: Result of `plan`.
        advance: Called in another thread with the NAR size of each copied path in bytes.
        sleep: Sleeps for a number of seconds before another attempt.
        runner: Runs Nix.

    Raises:
        CacheError: The cache refuses, or stays unreachable.
    """
    for entry in wanted.damaged:
        archive.remove(wanted.address, entry)
    sizes = {entry.path: entry.nar_size for entry in wanted.wanted}
    try:
        if wanted.unsigned:
            remote.sign(wanted.address, wanted.unsigned, key=wanted.key.file, runner=runner)
        if wanted.wanted:
            # The copy of a path that fails ends, too; each path counts once, also if it is copied again.
            _copy(wanted, lambda path: advance(sizes.pop(path, 0)), sleep, runner)
    except CommandError as error:
        message = f"cannot push to {wanted.address}: {_last_line(error)}"
        raise CacheError(message, hint="run the command again; what has arrived is not sent twice") from error


def _copy(wanted: PushPlan, on_path: Callable[[str], None], sleep: Callable[[float], None], runner: Runner) -> None:
    """Copy, and after a failure of a server copy again what is missing; attempts that make progress do not count.

    Nix's own retries do not help: up to 2.33 it sends an empty body the second time.
    """
    left, failed = len(wanted.wanted), 0
    while True:
        log = CopyLog(on_path)
        try:
            remote.copy(wanted.address, wanted.roots, key=wanted.key.file, on_line=log, runner=runner)
        except CommandError as error:
            failure = CommandError(error.argv, error.code, log.failure() or error.tail)
            failed += 1
            if wanted.address.folder or failed == _TRIES or _REFUSED.search(failure.tail):
                raise failure from error
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


def read_closure(roots: Sequence[str], *, inputs_for: Address | None = None, runner: Runner = run) -> list[PathInfo]:
    """Return the closure of store paths in this machine's store.

    Args:
        roots: The store paths.
        inputs_for: Cache that shall have their build closures too; what neither it nor this machine has is built.
        runner: Runs Nix.

    Raises:
        CacheError: One of them is not in the store, was not built here, or an input of it cannot be built.
    """
    wanted = _with_inputs(roots, inputs_for, runner) if inputs_for else roots
    try:
        return remote.closure(wanted, runner=runner)
    except CommandError as error:
        message = f"not in this machine's store: {', '.join(roots[:_SHOWN])}\n{error.tail}"
        raise CacheError(message, hint="invoke build") from error


def _with_inputs(roots: Sequence[str], address: Address, runner: Runner) -> list[str]:
    try:
        derivations = sorted({each for root in roots for each in remote.derivations(root, runner=runner)})
        absent = remote.absent_outputs(derivations, runner=runner)
    except CommandError as error:
        message = f"this machine's Nix does not know what {', '.join(roots)} was built from"
        raise CacheError(message, hint="push from the machine that built it, or leave out --inputs") from error
    # Of an image that was there already, or came from a cache, the inputs may have been collected, or never have been
    # here. A cache without them would be of no use to who builds a change, and nobody would be told.
    if len(_published(address, absent, runner)) < len(absent):
        _realise(derivations, runner)
    return sorted({*remote.inputs(derivations, runner=runner), *roots})


def _realise(derivations: Sequence[str], runner: Runner) -> None:
    try:
        remote.realise(derivations, runner=runner)
    except CommandError as error:
        message = f"inputs of the build are not on this machine, and cannot be built\n{error.tail}"
        raise CacheError(message, hint="invoke fetch, then push again; or leave out --inputs") from error


def _published(address: Address, paths: Sequence[str], runner: Runner) -> dict[str, PathInfo]:
    """Return the store paths that a cache has; for a missing folder Nix is not asked, since it would create it."""
    if not paths or (address.folder and not (address.folder / "nix-cache-info").exists()):
        return {}
    try:
        return {entry.path: entry for entry in remote.query(address, paths, runner=runner)}
    except CommandError as error:
        message = f"the cache at {address} cannot be used: {_last_line(error)}"
        raise CacheError(message, hint="look at the address, and whether the server runs and lets you in") from error


def _refuse_conflicts(address: Address, local: Sequence[PathInfo], published: dict[str, PathInfo]) -> None:
    others = [
        entry.path for entry in local if (other := published.get(entry.path)) and other.nar_hash != entry.nar_hash
    ]
    if others:
        message = (
            f"{address} has other contents for {', '.join(others[:_SHOWN])}; what is published never changes, "
            "as other machines may have it already"
        )
        raise CacheError(message, hint="invoke build.verify tells whether this build can be repeated")


def _find_unsigned(
    address: Address, published: dict[str, PathInfo], key: SigningKey, runner: Runner
) -> tuple[str, ...]:
    """Return the paths in a cache without a valid signature of the key; there are some when a cache gets a new key."""
    needing = [entry.path for entry in published.values() if not entry.is_content_addressed]
    verdict = remote.verify(address, needing, public_key=str(key.public), runner=runner)
    forged = sorted(path for path in verdict.untrusted if key.public.name in published[path].keys)
    if forged:
        message = (
            f"{address} has signatures of another key that is called {key.public.name} too: "
            f"{', '.join(forged[:_SHOWN])}"
        )
        raise CacheError(
            message, hint="push with that key, or make one of another name: invoke cache.keygen --name NAME"
        )
    return tuple(sorted(verdict.untrusted))
