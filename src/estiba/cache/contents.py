"""Contents of a binary cache, with checks of signatures and archives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from estiba.cache import archive, remote
from estiba.errors import CacheError, CommandError
from estiba.process import run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from estiba.cache.address import Address
    from estiba.cache.remote import PathInfo
    from estiba.process import Runner


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """Contents of a binary cache.

    Attributes:
        address: Address of the cache.
        entries: Store paths in the cache: all for a folder, the requested ones for a server.
        missing: Requested store paths that the cache lacks.
        untrusted: Store paths without a valid signature of a trusted key.
        damaged: Store paths with damaged archives, each with the reason.
        complaints: Other messages of `nix store verify`.
    """

    address: Address
    entries: tuple[PathInfo, ...]
    missing: tuple[str, ...]
    untrusted: tuple[str, ...]
    damaged: tuple[tuple[str, str], ...]
    complaints: tuple[str, ...]

    @property
    def keys(self) -> tuple[str, ...]:
        """Names of all keys that have signed a store path."""
        return tuple(sorted({name for entry in self.entries for name in entry.keys}))

    @property
    def is_damaged(self) -> bool:
        """Whether a store path cannot be used."""
        return bool(self.damaged or self.complaints)

    def to_dict(self) -> dict[str, Any]:
        """Return the contents in the form of `invoke cache.info --json`."""
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
    """Return the contents of a binary cache and check them.

    Args:
        address: Address of the cache.
        roots: Store paths of this machine whose closures to look up; by default all paths of a folder.
        public_key: The only trusted key; by default the keys in this machine's nix.conf.
        thorough: Read all archives and verify their hashes.
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
    """Return why an address has no usable cache, or an empty string."""
    if address.folder is None:
        return remote.probe(address, runner=runner)
    # Nix is not asked, since it would create a missing folder.
    return "" if (address.folder / "nix-cache-info").is_file() else "the folder has no nix-cache-info"


def _refuse_absent(address: Address, runner: Runner) -> None:
    if reason := find_absence(address, runner=runner):
        message = f"no cache at {address}: {reason}"
        raise CacheError(message, hint="look at the address, and whether the server runs")


def _describe(entry: PathInfo) -> dict[str, Any]:
    return {
        "file_size": entry.file_size,
        "keys": list(entry.keys),
        "nar_size": entry.nar_size,
        "path": entry.path,
    }
