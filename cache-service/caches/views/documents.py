"""Small files beside the paths: listings, logs, debug information, realisations of both layouts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.http import HttpResponse

from caches.access import TEXT, CacheView, Refusal, enter
from caches.models import Document as Row
from caches.models import Scope
from caches.views.body import read_small
from protocol import nix32

if TYPE_CHECKING:
    from django.http import HttpRequest

_NAME = r"[0-9a-zA-Z+._?=-]{1,211}"
_HASH = f"[{nix32.DIGITS}]{{32}}"
PLACES = "|".join(
    [
        rf"{_HASH}\.ls",
        rf"log/{_HASH}-{_NAME}",
        r"debuginfo/[0-9a-f]{2,64}(?:\.debug)?",
        rf"realisations/sha256:[0-9a-f]{{64}}!{_NAME}\.doi",
        rf"build-trace-v2/{_HASH}-{_NAME}/{_NAME}\.doi",
    ]
)
"""Pattern of the addresses that are taken."""


class Document(CacheView):
    """A small file by its address."""

    def get(self, request: HttpRequest, name: str, place: str) -> HttpResponse:
        """Send it, as nothing that a browser would run."""
        visit = enter(request, name, Scope.READ)
        found = visit.cache.documents.filter(place=place).first()
        if found is None:
            raise Refusal(404, "no such file")
        is_json = not place.startswith("log/")
        return HttpResponse(bytes(found.body), content_type="application/json" if is_json else TEXT)

    def put(self, request: HttpRequest, name: str, place: str) -> HttpResponse:
        """Take it; a later one takes its place, since it is no part of what is signed."""
        visit = enter(request, name, Scope.PUSH)
        Row.objects.update_or_create(cache=visit.cache, place=place, defaults={"body": read_small(request)})
        return HttpResponse(status=201, content_type=TEXT)
