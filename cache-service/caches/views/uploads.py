"""NARs in parts: what a lost connection has cut off is not sent again, and no request is larger than proxies take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.http import JsonResponse

from caches import publication, storage
from caches.access import CacheView, Refusal, enter
from caches.models import Scope
from caches.views import archive
from caches.views.body import length_of

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from caches.access import Visit

PART = 64 << 20
"""Largest part in bytes."""


class Upload(CacheView):
    """The upload of a compressed NAR, by its hash; each token has its own."""

    def get(self, request: HttpRequest, name: str, file_hash: str, end: str) -> HttpResponse:
        """Tell how much of it has arrived, where the next part begins."""
        visit = enter(request, name, Scope.PUSH)
        file = archive.find(visit, file_hash, end)
        if file and publication.promise_file(file):
            return _answer(file.file_size, is_whole=True)
        return _answer(storage.size_of(_locate(visit, file_hash, end)), is_whole=False)

    def patch(self, request: HttpRequest, name: str, file_hash: str, end: str) -> HttpResponse:
        """Take a part, and the file with the last one, if it has the hash that it is called by."""
        visit = enter(request, name, Scope.PUSH)
        archive.check_end(end)
        size = length_of(request, PART)
        offset, whole = (_read_number(request, header) for header in ("Upload-Offset", "Upload-Length"))
        if whole > settings.MAX_NAR_SIZE or offset + size > whole:
            raise Refusal(413, f"a part from {offset} to {offset + size} of {whole} bytes is too large")
        growing = storage.Growing(_locate(visit, file_hash, end))
        if growing.append(request, offset, size) == whole:
            with growing.finish(whole) as draft:
                if draft:
                    archive.take(visit, draft, file_hash, end)
        # Also where the part begins too late, or somebody else has sent the last one.
        return self.get(request, name, file_hash, end)


def _answer(received: int, *, is_whole: bool) -> HttpResponse:
    return JsonResponse({"received": max(received, 0), "whole": is_whole})


def _locate(visit: Visit, file_hash: str, end: str) -> str:
    """Return the place of the draft, where another token's parts do not meet it."""
    number = visit.token.pk if visit.token else 0
    return f"{storage.DRAFTS}/{visit.cache.pk}-{number}-{file_hash}{end}"


def _read_number(request: HttpRequest, header: str) -> int:
    text = request.headers.get(header, "")
    if not text.isdecimal():
        raise Refusal(400, f"the request has no number in {header}")
    return int(text)
