"""Publication of a store path: visible means verified and whole."""

from __future__ import annotations

from dataclasses import replace
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import IntegrityError
from django.utils import timezone

from caches import published, storage
from caches.access import Refusal
from caches.locks import writing
from caches.models import LEASE, UPLOAD, NarFile, Reference, StorePath
from protocol import compression, nar, narinfo, nix32, signature

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from caches.access import Visit
    from caches.models import Cache
    from protocol.narinfo import NarInfo

_SHOWN = 5
_TRIES = 3


class _ChangedError(Exception):
    """What was verified is not what is there any more."""


def publish(visit: Visit, given: Sequence[tuple[NarInfo, NarFile]]) -> None:
    """Publish store paths whose NARs are there, all or none.

    One that is published already keeps its NAR, unless that was lost, and gets new signatures.

    Raises:
        FormatError: A NAR is not what its narinfo says.
        Refusal: A path was published with another NAR, a reference is missing, or a signature is false.
    """
    keys = visit.cache.sign_keys()
    for one, _ in given:
        _check_signatures(visit.cache, one)
    ordered = _order([(one.sign_with(keys), file) for one, file in given])
    verified: set[str] = set()
    for _ in range(_TRIES):
        _verify(visit.cache, ordered, verified)
        try:
            _write(visit, ordered, verified)
        except (IntegrityError, _ChangedError):
            # Somebody else has published one of them meanwhile, or it was collected.
            continue
        return published.write(visit.cache, [one.hash_part for one, _ in ordered])
    message = "others change the same paths; push again"
    raise Refusal(503, message)


def _verify(cache: Cache, given: Sequence[tuple[NarInfo, NarFile]], verified: set[str]) -> None:
    """Read the NARs that are to be published, and add the paths to those that were verified."""
    parts = [one.hash_part for one, _ in given]
    known = {path.hash_part: path for path in cache.paths.filter(hash_part__in=parts).select_related("nar_file")}
    for one, file in given:
        if one.base_name not in verified and not _is_whole(known.get(one.hash_part)):
            _check_file(one, file)
            _check_nar(one, file)
            verified.add(one.base_name)


def _order(signed: list[tuple[NarInfo, NarFile]]) -> list[tuple[NarInfo, NarFile]]:
    """Return paths after those that they refer to."""
    by_name = {one.base_name: (one, file) for one, file in signed}
    graph = {name: {other for other in one.references if other != name} for name, (one, _) in by_name.items()}
    try:
        return [by_name[name] for name in TopologicalSorter(graph).static_order() if name in by_name]
    except CycleError as error:
        raise Refusal(422, f"store paths refer to each other in a circle: {', '.join(error.args[1])}") from error


def _write(visit: Visit, given: Sequence[tuple[NarInfo, NarFile]], verified: Collection[str]) -> None:
    with writing(visit.cache):
        for one, file in given:
            known = visit.cache.paths.select_for_update(of=["self"]).select_related("nar_file")
            found = known.filter(hash_part=one.hash_part).first()
            if one.base_name not in verified and not _is_whole(found):
                raise _ChangedError
            if found:
                _renew(found, one, file)
            else:
                _insert(visit, one, file)


def _is_whole(path: StorePath | None) -> bool:
    """Tell whether a path is published, and its NAR is there."""
    return path is not None and storage.size_of(path.nar_file.place) == path.nar_file.file_size


def _check_signatures(cache: Cache, given: NarInfo) -> None:
    """Refuse a false signature under a name of the cache's own, which clients would trust."""
    for key in cache.signing_keys.all():
        for one in given.signatures:
            if one.startswith(f"{key.name}:") and not signature.verify(given.fingerprint, one, key.public):
                message = f"the signature by {key.name} is false"
                raise Refusal(422, message)


def _check_file(given: NarInfo, file: NarFile) -> None:
    stated = [
        (given.compression, file.compression, "Compression"),
        (given.file_size or file.file_size, file.file_size, "FileSize"),
        (nix32.encode(given.file_hash) if given.file_hash else file.file_hash, file.file_hash, "FileHash"),
        (storage.size_of(file.place), file.file_size, "the file's size on disk"),
    ]
    for said, found, name in stated:
        if said != found:
            message = f"{name} is {said}, and that of {given.url} is {found}"
            raise Refusal(422, message)


def _check_nar(given: NarInfo, file: NarFile) -> None:
    """Read the NAR as it is on disk."""
    if given.nar_size > settings.MAX_NAR_SIZE:
        message = f"NarSize is {given.nar_size}, and this service takes NARs of {settings.MAX_NAR_SIZE} bytes"
        raise Refusal(413, message)
    wanted = {name[: narinfo.HASH_DIGITS] for name in given.references}
    with storage.locate(file.place).open("rb") as opened:
        parts = compression.decompress(opened, file.compression)
        found = nar.verify(parts, limit=given.nar_size, wanted=wanted)
    if (found.digest, found.size) != (given.nar_hash, given.nar_size):
        message = (
            f"the NAR has the hash sha256:{nix32.encode(found.digest)} and {found.size} bytes, and the narinfo says "
            f"sha256:{nix32.encode(given.nar_hash)} and {given.nar_size}"
        )
        raise Refusal(422, message)
    if absent := sorted(wanted - found.found):
        message = f"the narinfo has references that do not occur in the NAR: {', '.join(absent[:_SHOWN])}"
        raise Refusal(422, message)


def _insert(visit: Visit, signed: NarInfo, file: NarFile) -> None:
    cache = visit.cache
    wanted = {name for name in signed.references if name != signed.base_name}
    found = dict(cache.paths.filter(base_name__in=wanted).values_list("base_name", "pk"))
    if missing := sorted(wanted - set(found)):
        message = f"push its references first; these are not in the cache: {', '.join(missing[:_SHOWN])}"
        raise Refusal(422, message)
    _take(signed, file)
    made = StorePath.objects.create(
        cache=cache,
        hash_part=signed.hash_part,
        base_name=signed.base_name,
        nar_hash=nix32.encode(signed.nar_hash),
        nar_size=signed.nar_size,
        nar_file=file,
        narinfo=_complete(signed, file).render(),
        published_by=visit.token,
        pushed_at=timezone.now(),
    )
    Reference.objects.bulk_create(Reference(referrer=made, target_id=target) for target in found.values())
    visit.record("push", signed.base_name)


def _take(signed: NarInfo, file: NarFile) -> None:
    """Make a file one that everybody may read who reads the cache."""
    # It may have been collected since it was looked at.
    if not NarFile.objects.filter(pk=file.pk).update(is_published=True):
        message = f"{signed.url} is not there any more; push it again"
        raise Refusal(422, message)


def _complete(signed: NarInfo, file: NarFile) -> NarInfo:
    return replace(signed, file_hash=nix32.decode(file.file_hash, nix32.SHA256_BYTES), file_size=file.file_size)


def _renew(known: StorePath, signed: NarInfo, file: NarFile) -> None:
    """Add signatures to a published path, whose contents stay what they are; a lost file is replaced."""
    shown = narinfo.parse(known.narinfo)
    if signed.base_name != shown.base_name or signed.fingerprint != shown.fingerprint:
        message = (
            f"{known.base_name} is published with the NAR sha256:{known.nar_hash}, or with other references; what is "
            "published never changes, as other machines may have it already"
        )
        raise Refusal(409, message)
    merged = tuple(dict.fromkeys([*shown.signatures, *signed.signatures]))[: narinfo.MAX_SIGNATURES]
    if not _is_whole(known):
        _take(signed, file)
        # It may name another NAR from now on.
        published.remove(known.cache, [published.name_narinfo(known.hash_part)])
        known.nar_file = file
        url, kind = signed.url, signed.compression
        shown = _complete(replace(shown, url=url, compression=kind), file)
    known.narinfo = replace(shown, signatures=merged).render()
    known.pushed_at = timezone.now()
    known.tombstoned_at = None
    known.save(update_fields=["narinfo", "nar_file", "pushed_at", "tombstoned_at"])


def promise(path: StorePath) -> bool:
    """Keep a path for a pusher who is told that it is there; return whether it still is."""
    now = timezone.now()
    # Once in a while is enough, and spares a write for each path of a large closure.
    if path.tombstoned_at is None and path.pushed_at > now - LEASE / 2:
        return True
    return bool(StorePath.objects.filter(pk=path.pk).update(pushed_at=now, tombstoned_at=None))


def promise_file(file: NarFile) -> bool:
    """Keep a file for a pusher who is told that it is there, until the narinfo comes; return whether it still is."""
    return bool(NarFile.objects.filter(pk=file.pk).update(leased_until=timezone.now() + UPLOAD))
