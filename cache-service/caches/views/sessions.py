"""Pushes in few requests: one question for all that is missing, and one publication of all that was sent.

A session holds a lease on every path of the question, there or not, until its publication or its end.
"""

from __future__ import annotations

import uuid
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from django.db import connection
from django.http import HttpResponse, JsonResponse
from django.utils import timezone

from caches import publication, storage
from caches.access import CacheView, Refusal, enter
from caches.locks import locked
from caches.models import Lease, Scope, StorePath
from caches.views.body import LARGE, read_json
from caches.views.narinfo import find_file
from protocol import narinfo, nix32

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.http import HttpRequest

    from caches.models import Cache

LENGTH = timedelta(hours=6)
"""How long a session holds its leases."""

_AFTERWARDS = timedelta(minutes=10)
"""How long a session lasts after its publication."""

_SHOWN = 5


class Sessions(CacheView):
    """The sessions of a cache."""

    def post(self, request: HttpRequest, name: str) -> HttpResponse:
        """Begin one: of the paths in the question, return those that are missing."""
        visit = enter(request, name, Scope.PUSH)
        asked = _read_question(read_json(request, LARGE))
        session, until = uuid.uuid4(), timezone.now() + LENGTH
        with locked(visit.cache):
            _lease(visit.cache, session, list(asked), until=until)
            present = _find_present(visit.cache, asked)
        keys = visit.cache.signing_keys.filter(is_retired=False).order_by("-pk")
        answer = {
            "session": str(session),
            "expires_at": until.isoformat(),
            "missing": sorted(set(asked.values()) - present),
            "public_keys": [key.public for key in keys],
        }
        return JsonResponse(answer, status=HTTPStatus.CREATED)


class Session(CacheView):
    """A session."""

    def post(self, request: HttpRequest, name: str, session: uuid.UUID) -> HttpResponse:
        """Publish narinfos whose NARs are there, all or none; the session ends soon."""
        visit = enter(request, name, Scope.PUSH)
        leases = Lease.objects.filter(cache=visit.cache, session=session)
        if not leases.filter(expires_at__gt=timezone.now()).exists():
            raise Refusal(HTTPStatus.GONE, "the session is over; begin another one, for what has arrived is kept")
        texts = read_json(request, LARGE).get("narinfos")
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise Refusal(HTTPStatus.BAD_REQUEST, "'narinfos' is not a list of texts")
        given = [narinfo.parse(text) for text in texts]
        publication.publish(visit, [(one, find_file(visit.cache, one)) for one in given])
        # A client that has lost the answer asks again.
        leases.update(expires_at=timezone.now() + _AFTERWARDS)
        return JsonResponse({"published": len(given)}, status=HTTPStatus.CREATED)

    def delete(self, request: HttpRequest, name: str, session: uuid.UUID) -> HttpResponse:
        """End the session without a publication; what was sent stays for a while."""
        visit = enter(request, name, Scope.PUSH)
        Lease.objects.filter(cache=visit.cache, session=session).delete()
        return HttpResponse(status=HTTPStatus.NO_CONTENT)


def _read_question(body: Mapping[str, Any]) -> dict[tuple[str, str], str]:
    """Return the base names of the paths that are asked for, by hash part and hash of the NAR."""
    paths = body.get("paths")
    if not isinstance(paths, dict) or not paths:
        raise Refusal(HTTPStatus.BAD_REQUEST, "'paths' is not a table of hashes by the names of store paths")
    found = {}
    for name, text in paths.items():
        base_name = narinfo.check_base_name(name)
        try:
            nar_hash = nix32.encode(nix32.parse_hash(str(text)))
        except ValueError as error:
            raise Refusal(HTTPStatus.BAD_REQUEST, f"{base_name}: {error}") from error
        found[base_name[: narinfo.HASH_DIGITS], nar_hash] = base_name
    return found


def _lease(cache: Cache, session: uuid.UUID, asked: list[tuple[str, str]], *, until: object) -> None:
    parts = sorted({part for part, _ in asked})
    with connection.cursor() as cursor:
        # One statement for any number of paths.
        cursor.execute(
            """INSERT INTO caches_lease (cache_id, session, hash_part, expires_at)
            SELECT %s, %s, part, %s FROM unnest(%s::text[]) AS part""",
            [cache.pk, session, until, parts],
        )


def _find_present(cache: Cache, asked: Mapping[tuple[str, str], str]) -> set[str]:
    """Return the names of the paths that are there with their NARs.

    Raises:
        Refusal: One was published with another NAR.
    """
    rows = StorePath.objects.raw(
        """SELECT path.id, path.hash_part, path.base_name, path.nar_hash, file.place, file.file_size
        FROM caches_storepath path JOIN caches_narfile file ON file.id = path.nar_file_id
        WHERE path.cache_id = %s AND path.hash_part = ANY(%s)""",
        [cache.pk, [part for part, _ in asked]],
    )
    found = list(rows)
    others = sorted(row.base_name for row in found if (row.hash_part, row.nar_hash) not in asked)
    if others:
        shown = ", ".join(others[:_SHOWN])
        raise Refusal(HTTPStatus.CONFLICT, f"what is published never changes, and these have other contents: {shown}")
    return {row.base_name for row in found if storage.size_of(row.place) == row.file_size}
