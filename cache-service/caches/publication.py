"""Publication of a store path: visible means verified and whole."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from caches import storage
from caches.access import Refusal
from caches.models import LEASE, NarFile, Reference, StorePath
from protocol import compression, nar, narinfo, nix32, signature

if TYPE_CHECKING:
    from collections.abc import Iterator

    from caches.access import Visit
    from caches.models import Cache
    from protocol.narinfo import NarInfo

_SHOWN = 5
_LOCK = 0x6E61720000000000
"""Advisory locks of PostgreSQL from here on are those of caches: publications share one, a collection has it alone."""


@contextmanager
def locked(cache: Cache, *, alone: bool = False) -> Iterator[None]:
    """Begin a transaction during which the paths of a cache are not collected, or are collected by nobody else."""
    with transaction.atomic(), connection.cursor() as cursor:
        function = "pg_advisory_xact_lock" if alone else "pg_advisory_xact_lock_shared"
        cursor.execute(f"SELECT {function}(%s)", [_LOCK + cache.pk])
        yield


def publish(visit: Visit, given: NarInfo, file: NarFile) -> StorePath:
    """Publish a store path whose NAR is there; one that is published already keeps its NAR, and gets new signatures.

    Raises:
        FormatError: The NAR is not what the narinfo says.
        Refusal: The path was published with another NAR, a reference is missing, or a signature is false.
    """
    cache = visit.cache
    _check_signatures(cache, given)
    known = cache.paths.filter(hash_part=given.hash_part).first()
    if known is None:
        _check_file(given, file)
        _check_nar(given, file)
    signed = given.sign_with(cache.sign_keys())
    try:
        return _write(visit, signed, file)
    except IntegrityError:
        # Somebody else has published it at the same time.
        return _write(visit, signed, file)


def _write(visit: Visit, signed: NarInfo, file: NarFile) -> StorePath:
    with locked(visit.cache):
        known = visit.cache.paths.select_for_update().filter(hash_part=signed.hash_part).first()
        return _renew(known, signed) if known else _insert(visit, signed, file)


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


def _insert(visit: Visit, signed: NarInfo, file: NarFile) -> StorePath:
    cache = visit.cache
    wanted = {name for name in signed.references if name != signed.base_name}
    found = dict(cache.paths.filter(base_name__in=wanted).values_list("base_name", "pk"))
    if missing := sorted(wanted - set(found)):
        message = f"push its references first; these are not in the cache: {', '.join(missing[:_SHOWN])}"
        raise Refusal(422, message)
    # The file may have been collected since it was looked at.
    if not NarFile.objects.filter(pk=file.pk).update(is_published=True):
        message = f"{signed.url} is not there any more; push it again"
        raise Refusal(422, message)
    whole = replace(signed, file_hash=nix32.decode(file.file_hash, nix32.SHA256_BYTES), file_size=file.file_size)
    made = StorePath.objects.create(
        cache=cache,
        hash_part=signed.hash_part,
        base_name=signed.base_name,
        nar_hash=nix32.encode(signed.nar_hash),
        nar_size=signed.nar_size,
        nar_file=file,
        narinfo=whole.render(),
        published_by=visit.token,
        pushed_at=timezone.now(),
    )
    Reference.objects.bulk_create(Reference(referrer=made, target_id=target) for target in found.values())
    visit.record("push", signed.base_name)
    return made


def _renew(known: StorePath, signed: NarInfo) -> StorePath:
    """Add signatures to a published path, whose NAR stays what it is."""
    published = narinfo.parse(known.narinfo)
    if signed.base_name != published.base_name or signed.fingerprint != published.fingerprint:
        message = (
            f"{known.base_name} is published with the NAR sha256:{known.nar_hash}, or with other references; what is "
            "published never changes, as other machines may have it already"
        )
        raise Refusal(409, message)
    merged = tuple(dict.fromkeys([*published.signatures, *signed.signatures]))[: narinfo.MAX_SIGNATURES]
    known.narinfo = replace(published, signatures=merged).render()
    known.pushed_at = timezone.now()
    known.tombstoned_at = None
    known.save(update_fields=["narinfo", "pushed_at", "tombstoned_at"])
    return known


def promise(path: StorePath) -> bool:
    """Keep a path for a pusher who is told that it is there; return whether it still is."""
    now = timezone.now()
    # Once in a while is enough, and spares a write for each path of a large closure.
    if path.tombstoned_at is None and path.pushed_at > now - LEASE / 2:
        return True
    return bool(StorePath.objects.filter(pk=path.pk).update(pushed_at=now, tombstoned_at=None))


def promise_file(file: NarFile) -> bool:
    """Keep a file for a pusher who is told that it is there, until the narinfo comes; return whether it still is."""
    return bool(NarFile.objects.filter(pk=file.pk).update(leased_until=timezone.now() + LEASE))
