"""Compressed NARs: sent by the web server in front, taken from pushers."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import quote

from django.conf import settings
from django.db import IntegrityError, transaction
from django.http import FileResponse, HttpResponse
from django.utils import timezone

from caches import publication, published, storage
from caches.access import TEXT, CacheView, Refusal, enter
from caches.models import UPLOAD, Deletion, NarFile, Scope
from caches.views.body import length_of
from protocol import compression, nix32

if TYPE_CHECKING:
    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

    from caches.access import Visit

TYPE = "application/x-nix-nar"
_YEAR = int(timedelta(days=365).total_seconds())
_BY_END = {end: name for name, end in compression.ENDS.items()}


class Archive(CacheView):
    """A compressed NAR, by its hash."""

    def get(self, request: HttpRequest, name: str, file_hash: str, end: str) -> HttpResponseBase:
        """Send it; one that no path has yet is there for pushers alone."""
        visit = enter(request, name, Scope.READ)
        file = find(visit, file_hash, end)
        if file is None or (visit.may(Scope.PUSH) and not publication.promise_file(file)):
            raise Refusal(404, "no such NAR")
        access = "public" if visit.cache.is_public else "private"
        return _send(request, file, {"Cache-Control": f"{access}, max-age={_YEAR}, immutable"})

    def put(self, request: HttpRequest, name: str, file_hash: str, end: str) -> HttpResponse:
        """Take it, if it has the hash that it is called by."""
        visit = enter(request, name, Scope.PUSH)
        check_end(end)
        size = length_of(request, settings.MAX_NAR_SIZE)
        with storage.receive(request, size) as draft:
            if draft.size != size:
                raise Refusal(400, f"the request ends after {draft.size} of {size} bytes")
            take(visit, draft, file_hash, end)
        return HttpResponse(status=201, content_type=TEXT)


def check_end(end: str) -> None:
    """Refuse a file whose compression is not known here."""
    if end not in _BY_END:
        raise Refusal(
            422, f"a NAR that ends in {end} cannot be verified here; ends are {', '.join(filter(None, _BY_END))}"
        )


def take(visit: Visit, draft: storage.Draft, file_hash: str, end: str) -> None:
    """Keep a draft that is whole, if it has the hash that it is called by, and remove it otherwise."""
    try:
        if (found := nix32.encode(draft.digest or draft.read_digest())) != file_hash:
            raise Refusal(422, f"the file has the hash {found}, not the one that it is called by")
        try:
            known = _keep(visit, draft, file_hash, _BY_END[end])
        except IntegrityError:
            # Somebody else has sent the same at the same time.
            known = _keep(visit, draft, file_hash, _BY_END[end])
    finally:
        draft.path.unlink(missing_ok=True)
    if known:
        published.write(visit.cache, list(known.paths.values_list("hash_part", flat=True)))


def find(visit: Visit, file_hash: str, end: str) -> NarFile | None:
    """Return a file that is whole: Nix sends none that it is told to be there."""
    found = visit.cache.nar_files.filter(file_hash=file_hash, compression=_BY_END.get(end, "")).first()
    if found is None or (not visit.may(Scope.PUSH) and not found.is_published):
        return None
    return found if storage.size_of(found.place) == found.file_size else None


def _keep(visit: Visit, draft: storage.Draft, file_hash: str, kind: str) -> NarFile | None:
    """Keep a file, unless the same is there; return the row of one that was lost."""
    until = timezone.now() + UPLOAD
    with transaction.atomic():
        known = visit.cache.nar_files.select_for_update().filter(file_hash=file_hash, compression=kind).first()
        if known and storage.size_of(known.place) == known.file_size:
            NarFile.objects.filter(pk=known.pk).update(leased_until=until)
            return None
        place = storage.choose_place(visit.cache.pk, f"{file_hash}.nar{compression.ENDS[kind]}")
        row = {"place": place, "file_size": draft.size, "leased_until": until}
        if known:
            # The file of a row was lost or truncated: it gets the new one, and so do its paths.
            published.remove(visit.cache, [published.name_nar(known)])
            Deletion.objects.create(place=known.place, not_before=timezone.now())
            NarFile.objects.filter(pk=known.pk).update(**row)
        else:
            NarFile.objects.create(cache=visit.cache, file_hash=file_hash, compression=kind, **row)
        # Last of all: where the row is refused, the draft is still one, and what is committed has its file.
        draft.keep(place)
    return known


def _send(request: HttpRequest, file: NarFile, headers: dict[str, str]) -> HttpResponseBase:
    if settings.NAR_ADDRESS:
        # The web server says size, ranges and all else; it knows the file.
        named = {"X-Accel-Redirect": settings.NAR_ADDRESS + quote(file.place)}
        return HttpResponse(content_type=TYPE, headers={**headers, **named})
    if request.method == "HEAD":
        return HttpResponse(content_type=TYPE, headers={**headers, "Content-Length": str(file.file_size)})
    return FileResponse(storage.locate(file.place).open("rb"), content_type=TYPE, headers=headers)
