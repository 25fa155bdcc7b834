from __future__ import annotations

from functools import cached_property
from types import SimpleNamespace

import collect_static


class Storage:
    """Keeps its folder as Django's FileSystemStorage does."""

    def __init__(self, location: str) -> None:
        """Take the folder."""
        self._location = location

    @cached_property
    def location(self) -> str:
        """Return the folder."""
        return self._location


def collected(storage: Storage) -> str:
    """Return the folder that a storage writes to after it was moved."""
    lazy = SimpleNamespace(_wrapped=storage, location=storage.location)
    collect_static.move(lazy, "/app/static", "/collected/files")
    return storage.location


def test_storage_that_knows_its_folder_already_writes_to_the_build() -> None:
    """The folder of its options, and that of an app which asked for it, are read-only here."""
    assert collected(Storage("/app/static/")) == "/collected/files"


def test_storage_with_a_folder_of_its_own_keeps_it() -> None:
    """So does one without folders, as of an object store."""
    assert collected(Storage("/elsewhere")) == "/elsewhere"

    collect_static.move(SimpleNamespace(), "/app/static", "/collected/files")
