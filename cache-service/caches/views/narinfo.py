"""Narinfo files: read by who may, written by pushers last of all."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from django.http import HttpResponse, HttpResponseNotModified

from caches import publication
from caches.access import TEXT, CacheView, Refusal, enter
from caches.models import NarFile, Scope, StorePath
from caches.views.body import read_small
from protocol import compression, narinfo, nix32

if TYPE_CHECKING:
    from django.http import HttpRequest

    from caches.models import Cache

TYPE = "text/x-nix-narinfo"
_URL = re.compile(rf"nar/([{nix32.DIGITS}]{{52}})\.nar(\.[a-z0-9]+)?")


class Narinfo(CacheView):
    """The narinfo of a store path."""

    def get(self, request: HttpRequest, name: str, hash_part: str) -> HttpResponse:
        """Return it."""
        if "Authorization" not in request.headers:
            # Everybody's way: one query, about path and cache at once.
            found = StorePath.objects.filter(cache__name=name, cache__is_public=True, hash_part=hash_part).first()
            if found:
                return _answer(request, found, is_public=True)
        visit = enter(request, name, Scope.READ)
        path = visit.cache.paths.filter(hash_part=hash_part).first()
        if path is None or (visit.may(Scope.PUSH) and not publication.promise(path)):
            raise Refusal(404, "no such path")
        return _answer(request, path, is_public=visit.cache.is_public)

    def put(self, request: HttpRequest, name: str, hash_part: str) -> HttpResponse:
        """Publish the path, whose NAR has to be there."""
        visit = enter(request, name, Scope.PUSH)
        try:
            given = narinfo.parse(read_small(request).decode())
        except UnicodeDecodeError as error:
            raise Refusal(422, "the narinfo is not UTF-8") from error
        if given.hash_part != hash_part:
            raise Refusal(422, f"the narinfo is that of {given.base_name}")
        publication.publish(visit, [(given, find_file(visit.cache, given))])
        return HttpResponse(status=201, content_type=TEXT)


def find_file(cache: Cache, given: narinfo.NarInfo) -> NarFile:
    """Return the file that a narinfo names.

    Raises:
        Refusal: It is not there, or not called as it should be.
    """
    match = _URL.fullmatch(given.url)
    if not match:
        raise Refusal(422, f"URL is {given.url!r}, not nar/HASH.nar with the end of a compression")
    end = compression.ENDS.get(given.compression)
    if end is None or (match[2] or "") != end:
        raise Refusal(422, f"Compression is {given.compression!r}, and URL is {given.url!r}")
    file = cache.nar_files.filter(file_hash=match[1], compression=given.compression).first()
    if file is None:
        raise Refusal(422, f"push {given.url} before the narinfo that names it")
    return file


def _answer(request: HttpRequest, path: StorePath, *, is_public: bool) -> HttpResponse:
    tag = f'"{hashlib.sha256(path.narinfo.encode()).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": f"{'public' if is_public else 'private'}, max-age=3600"}
    if tag in [word.strip() for word in request.headers.get("If-None-Match", "").split(",")]:
        return HttpResponseNotModified(headers=headers)
    return HttpResponse(path.narinfo, content_type=TYPE, headers=headers)
