"""What a binary cache holds, and whether it can be trusted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from estiba.cache import archive, remote
from estiba.errors import CacheError, CommandError
from estiba.process import run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from estiba.cache.address import Address
    from estiba.cache.remote import Entry
    from estiba.process import Runner


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What a cache holds.

    Attributes:
        address: The cache.
        entries: Its paths: all of a folder, those that were asked for of a server.
        missing: Paths that were asked for, and are not there.
        untrusted: Paths without a good signature of a trusted key.
        damaged: Paths whose archives are not what they should be, and why.
        complaints: What else Nix says about them.
    """

    address: Address
    entries: tuple[Entry, ...]
    missing: tuple[str, ...]
    untrusted: tuple[str, ...]
    damaged: tuple[tuple[str, str], ...]
    complaints: tuple[str, ...]

    @property
    def keys(self) -> tuple[str, ...]:
        """Names of all keys that signed something."""
        return tuple(sorted({name for entry in self.entries for name in entry.keys}))

    @property
    def is_damaged(self) -> bool:
        """Whether something in it cannot be used."""
        return bool(self.damaged or self.complaints)

    def to_dict(self) -> dict[str, Any]:
        """Return what `invoke cache.info --json` prints."""
        return {
            "complaints": list(self.complaints),
            "damaged": dict(self.damaged),
            "file_size": sum(entry.file_size for entry in self.entries),
            "keys": list(self.keys),
            "missing": list(self.missing),
            "nar_size": sum(entry.nar_size for entry in self.entries),
            "paths": [_describe(entry) for entry in self.entries],
            "untrusted": list(self.untrusted),
            "url": self.address.url,
        }


def read(
    address: Address,
    roots: Sequence[str] = (),
    *,
    public_key: str = "",
    thorough: bool = False,
    runner: Runner = run,
) -> Contents:
    """Read what a cache holds.

    Args:
        address: The cache.
        roots: Store paths of this machine to look for with all that they refer to; by default everything of a folder.
        public_key: The only key to trust, instead of those that this machine's Nix trusts.
        thorough: Read all archives and compare them with their hashes.
        runner: Runs Nix.

    Raises:
        CacheError: There is no cache, or it does not answer.
    """
    _refuse_absent(address, runner)
    try:
        paths = [entry.path for entry in remote.closure(roots, runner=runner)] if roots else []
        listed = remote.query(address, paths, runner=runner) if paths else []
        entries = remote.query_all(address, runner=runner) if address.folder and not roots else listed
    except CommandError as error:
        message = f"cannot read the cache at {address}: {error.tail}"
        raise CacheError(message) from error
    checked = [(entry.path, archive.find_damage(address, entry, thorough=thorough)) for entry in entries]
    broken = {path: reason for path, reason in checked if reason}
    whole = [path for path, reason in checked if not reason]
    verdict = remote.verify(address, whole, public_key=public_key, contents=thorough, runner=runner)
    modified = dict.fromkeys(verdict.modified, "its contents have another hash")
    return Contents(
        address=address,
        entries=tuple(entries),
        missing=tuple(sorted(set(paths) - {entry.path for entry in entries})),
        untrusted=tuple(sorted(verdict.untrusted)),
        damaged=tuple(sorted({**broken, **modified}.items())),
        complaints=verdict.complaints,
    )


def find_absence(address: Address, *, runner: Runner = run) -> str:
    """Return why there is no cache at an address, or an empty string."""
    if address.folder is None:
        return remote.probe(address, runner=runner)
    # Nix would make a folder of that name.
    return "" if (address.folder / "nix-cache-info").is_file() else "the folder has no nix-cache-info"


def _refuse_absent(address: Address, runner: Runner) -> None:
    if reason := find_absence(address, runner=runner):
        message = f"no cache at {address}: {reason}"
        raise CacheError(message, hint="look at the address, and whether the server runs")


def _describe(entry: Entry) -> dict[str, Any]:
    return {
        "file_size": entry.file_size,
        "keys": list(entry.keys),
        "nar_size": entry.nar_size,
        "path": entry.path,
    }
