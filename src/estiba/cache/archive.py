"""NAR archives of a binary cache in a folder: detection and removal of damaged ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from estiba.digest import Digest

if TYPE_CHECKING:
    from pathlib import Path

    from estiba.cache.address import Address
    from estiba.cache.remote import PathInfo

_SRI: Final = "sha256-"


def find_damage(address: Address, entry: PathInfo, *, thorough: bool = False) -> str:
    """Return why the archive of a store path is damaged, or an empty string; archives of servers are not checked.

    Args:
        address: Address of the cache.
        entry: Store path, with the archive's size and hash in its narinfo.
        thorough: Verify the hash, which reads the whole archive, and not only the size.
    """
    file = _file(address, entry)
    if file is None:
        return ""
    if not file.is_file():
        return "its archive is missing"
    if entry.file_size and file.stat().st_size != entry.file_size:
        return f"its archive has {file.stat().st_size} bytes instead of {entry.file_size}"
    # Nix before 2.19 prints this hash in another notation; there, `nix store verify` of the contents has to suffice.
    if thorough and entry.file_hash.startswith(_SRI) and Digest.of_file(file).sri != entry.file_hash:
        return "its archive has another hash"
    return ""


def remove(address: Address, entry: PathInfo) -> None:
    """Remove a store path from a cache in a folder; its narinfo first, so that nobody finds a path without archive."""
    file = _file(address, entry)
    if address.folder and file:
        (address.folder / f"{entry.hash_part}.narinfo").unlink(missing_ok=True)
        file.unlink(missing_ok=True)


def _file(address: Address, entry: PathInfo) -> Path | None:
    """Return the file of an archive, or None for a server, and for a URL that leads out of the folder."""
    if address.folder is None or not entry.url:
        return None
    file = (address.folder / entry.url).resolve()
    return file if address.folder in file.parents else None
