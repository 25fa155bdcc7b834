"""Published files, which the web server in front sends without this service: narinfos, and NARs by their hashes.

They follow the database: written after a publication is committed, and removed before anything that they show goes.
So one may be missing, where the service answers in its place, but never shows what is not published. Those of a public
cache are below `public`, those of a private one below `private`; a NAR there is a hard link to its file.
"""

from __future__ import annotations

import itertools
import logging
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from django.conf import settings

from caches import storage
from caches.locks import locked, writing
from caches.models import Cache
from protocol import compression

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from caches.models import NarFile, StorePath

FOLDERS: Final = {True: "public", False: "private"}
"""Folders of caches, by whether everybody may read."""

_BATCH: Final = 1000
_SYNCS: Final = 16
logger = logging.getLogger(__name__)
_T = TypeVar("_T")


def locate(cache: Cache) -> Path:
    """Return the folder of a cache."""
    return Path(settings.NAR_FOLDER, FOLDERS[cache.is_public], cache.name)


def name_narinfo(hash_part: str) -> str:
    """Return the name of a narinfo in the folder of its cache."""
    return f"{hash_part}.narinfo"


def name_nar(file: NarFile) -> str:
    """Return the name of a NAR in the folder of its cache."""
    return f"nar/{file.file_hash}.nar{compression.ENDS[file.compression]}"


def batched(found: Iterable[_T]) -> Iterator[list[_T]]:
    """Yield what is found in lists that fit into memory."""
    left = iter(found)
    while batch := list(itertools.islice(left, _BATCH)):
        yield batch


def write(cache: Cache, hash_parts: Iterable[str]) -> None:
    """Write the files of published paths; those of paths that are not there any more are left out.

    What cannot be written is missing until `complete`, and is no failure of the publication.
    """
    for batch in batched(hash_parts):
        with writing(cache):
            # It may have become a private one meanwhile.
            current = Cache.objects.get(pk=cache.pk)
            rows = list(current.paths.filter(hash_part__in=batch).select_related("nar_file"))
            try:
                _write(locate(current), rows)
            except OSError:
                logger.exception("published files of %s are not written", current.name)


def remove(cache: Cache, names: Iterable[str]) -> None:
    """Remove files, for certain; it is called in the transaction that takes what they show."""
    touched: set[Path] = set()
    for name in names:
        for folder in FOLDERS.values():
            file = Path(settings.NAR_FOLDER, folder, cache.name, name)
            with suppress(FileNotFoundError, NotADirectoryError):
                file.unlink()
                touched.add(file.parent)
    for folder in touched:
        storage.sync_folder(folder)


def settle(cache: Cache) -> None:
    """Move the files of a cache that has become public or private, or remove those of one that is gone.

    For a cache that becomes private it is called before that is committed, and for the others afterwards.
    """
    with locked(cache, alone=True):
        current = Cache.objects.filter(pk=cache.pk).first()
        wrong = [not current.is_public] if current else list(FOLDERS)
        for is_public in wrong:
            folder = Path(settings.NAR_FOLDER, FOLDERS[is_public], cache.name)
            if not folder.exists():
                continue
            target = locate(current) if current else folder
            if target.exists():
                shutil.rmtree(folder)
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                folder.rename(target)
                storage.sync_folder(target.parent)
            storage.sync_folder(folder.parent)


def complete(cache: Cache, rows: Iterable[StorePath], *, dry_run: bool = False) -> int:
    """Write the files of paths that are missing or not as they should be; return of how many paths."""
    wrong = [row.hash_part for row in rows if not _is_right(locate(cache), row)]
    if not dry_run:
        write(cache, wrong)
    return len(wrong)


def remove_strays(cache: Cache, *, dry_run: bool = False) -> int:
    """Remove the files that nothing is published for; return how many."""
    return sum(_remove_strays(cache, names, dry_run=dry_run) for names in batched(_list(locate(cache))))


def _write(folder: Path, rows: Iterable[StorePath]) -> None:
    drafts: list[tuple[Path, Path]] = []
    (folder / "nar").mkdir(parents=True, exist_ok=True)
    for row in rows:
        if storage.size_of(row.nar_file.place) != row.nar_file.file_size:
            continue
        _link(row.nar_file, folder / name_nar(row.nar_file))
        drafts.append((storage.write_draft(row.narinfo.encode()), folder / name_narinfo(row.hash_part)))
    # All at the same time, of which the disk makes few steps.
    with ThreadPoolExecutor(_SYNCS) as pool:
        list(pool.map(storage.sync, [draft for draft, _ in drafts]))
    for draft, file in drafts:
        draft.rename(file)


def _link(file: NarFile, target: Path) -> None:
    source = storage.locate(file.place)
    with suppress(FileNotFoundError):
        if target.samefile(source):
            return
    draft = storage.choose_draft()
    os.link(source, draft)
    draft.rename(target)


def _is_right(folder: Path, row: StorePath) -> bool:
    """Tell whether the files of a path are as they should be; those of a NAR that is lost cannot be."""
    source = storage.locate(row.nar_file.place)
    try:
        text = (folder / name_narinfo(row.hash_part)).read_text(encoding="utf-8")
        return text == row.narinfo and (folder / name_nar(row.nar_file)).samefile(source)
    except (FileNotFoundError, UnicodeDecodeError):
        return not source.exists()


def _list(folder: Path) -> Iterator[str]:
    """Yield the names of the files of a cache."""
    for part in ("", "nar"):
        with suppress(FileNotFoundError), os.scandir(folder / part) as found:
            yield from (str(Path(part, one.name)) for one in found if not one.is_dir())


def _remove_strays(cache: Cache, names: Iterable[str], *, dry_run: bool) -> int:
    with writing(cache):
        parts = {name: name.removesuffix(".narinfo") for name in names if name.endswith(".narinfo")}
        others = {name: name.removeprefix("nar/").partition(".")[0] for name in names if name not in parts}
        there = set(cache.paths.filter(hash_part__in=parts.values()).values_list("hash_part", flat=True))
        files = cache.nar_files.filter(file_hash__in=others.values(), is_published=True)
        known = {name_nar(file) for file in files}
        wrong = [name for name, part in parts.items() if part not in there] + [
            one for one in others if one not in known
        ]
        if not dry_run:
            remove(cache, wrong)
    return len(wrong)
