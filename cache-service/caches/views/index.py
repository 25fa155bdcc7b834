"""What a cache says of itself, to people and to Nix."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from django.http import HttpResponse

from caches.access import TEXT, CacheView, Refusal, enter
from caches.models import Cache, Scope
from protocol.narinfo import STORE

if TYPE_CHECKING:
    from django.http import HttpRequest
    from django.http.response import HttpResponseBase


def page(request: HttpRequest) -> HttpResponse:
    """List the public caches, as lines for nix.conf."""
    caches = Cache.objects.filter(is_public=True).prefetch_related("signing_keys").order_by("name")
    lines = [
        line
        for cache in caches
        for line in (
            f"extra-substituters = {request.build_absolute_uri(f'/{cache.name}')}",
            f"extra-trusted-public-keys = {' '.join(key.public for key in cache.signing_keys.all())}",
        )
    ]
    return HttpResponse("".join(f"{line}\n" for line in lines) or "no public cache\n", content_type=TEXT)


class Information(CacheView):
    """`nix-cache-info`, which tells Nix that a cache is one."""

    def get(self, request: HttpRequest, name: str) -> HttpResponse:
        """Answer."""
        cache = enter(request, name, Scope.READ).cache
        # Nix ignores what it does not know; `invoke cache.push` learns that it can ask for all paths at once.
        text = f"StoreDir: {STORE}\nWantMassQuery: 1\nPriority: {cache.priority}\nPushSessions: 1\n"
        return HttpResponse(text, content_type="text/x-nix-cache-info")

    def put(self, request: HttpRequest, name: str) -> HttpResponse:
        """Take what Nix sends to caches that are new to it, and change nothing."""
        enter(request, name, Scope.PUSH)
        return HttpResponse(status=200, content_type=TEXT)


class Rights(CacheView):
    """Whether the web server may send published files by itself to somebody who shows a token."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Answer; the web server remembers it until the end of this second, so that a token ends within one."""
        now = int(time.time())
        response = super().dispatch(request, *args, **kwargs)
        response.headers["X-Accel-Expires"] = f"@{now}"
        return response

    def get(self, request: HttpRequest, name: str) -> HttpResponse:
        """Let in who may read, and no more than that."""
        if enter(request, name, Scope.READ).may(Scope.PUSH):
            # What is there is promised to stay, which only the service does.
            raise Refusal(403, "pushers are answered by the service")
        return HttpResponse(status=204, content_type=TEXT)
