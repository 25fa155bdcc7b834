"""The archives of a cache in a folder: whether they are whole, and taking back those that are not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from estiba.digest import Digest

if TYPE_CHECKING:
    from pathlib import Path

    from estiba.cache.address import Address
    from estiba.cache.remote import Entry

_SRI: Final = "sha256-"


def find_damage(address: Address, entry: Entry, *, thorough: bool = False) -> str:
    """Return what is wrong with the archive of a path, or an empty string; servers are taken at their word.

    Args:
        address: The cache.
        entry: The path, as the cache describes it.
        thorough: Read the archive instead of looking at its size only.
    """
    file = _file(address, entry)
    if file is None:
        return ""
    if not file.is_file():
        return "its archive is missing"
    if entry.file_size and file.stat().st_size != entry.file_size:
        return f"its archive has {file.stat().st_size} bytes instead of {entry.file_size}"
    # Nix before 2.19 writes this hash in another notation; its own check of the contents covers that.
    if thorough and entry.file_hash.startswith(_SRI) and Digest.of_file(file).sri != entry.file_hash:
        return "its archive has another hash"
    return ""


def withdraw(address: Address, entry: Entry) -> None:
    """Remove a damaged path from a cache in a folder, first from view."""
    file = _file(address, entry)
    if address.folder and file:
        (address.folder / f"{entry.hash_part}.narinfo").unlink(missing_ok=True)
        file.unlink(missing_ok=True)


def _file(address: Address, entry: Entry) -> Path | None:
    """Return where an archive is; one that a cache claims to be outside of its folder is not touched."""
    if address.folder is None or not entry.url:
        return None
    file = (address.folder / entry.url).resolve()
    return file if address.folder in file.parents else None
