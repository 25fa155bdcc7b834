"""Who asks, and what they may: tokens as the password of HTTP's Basic authentication, as netrc(5) has it, or Bearer."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.http import HttpResponse
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt

from caches.models import Audit, Cache, Scope, Token
from protocol.narinfo import FormatError

if TYPE_CHECKING:
    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

TEXT = "text/plain; charset=utf-8"
UNAUTHORISED = 401


class Refusal(Exception):  # noqa: N818 - no error of this service, but an answer
    """A request is refused, with a status and a sentence; Nix prints the sentence.

    Nix takes 404 and 403 for a path that is missing; 401 is for those that have shown no token, or no valid one.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status

    def answer(self) -> HttpResponse:
        """Return the answer."""
        # What is missing now may be there in a moment.
        response = HttpResponse(
            f"{self}\n", status=self.status, content_type=TEXT, headers={"Cache-Control": "no-store"}
        )
        if self.status == UNAUTHORISED:
            response.headers["WWW-Authenticate"] = 'Basic realm="binary cache", charset="UTF-8"'
        return response


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """A request's cache, and the token that it has shown for it."""

    cache: Cache
    token: Token | None

    def may(self, scope: str) -> bool:
        """Tell whether the request may do something."""
        if self.token is None:
            return scope == Scope.READ and self.cache.is_public
        return self.token.allows(scope)

    def record(self, action: str, subject: str) -> None:
        """Write down who did what."""
        who = self.token.name if self.token else ""
        Audit.objects.create(cache=self.cache, token=self.token, who=who, action=action, subject=subject)


class CacheView(View):
    """A view of a cache: refusals and malformed uploads are answered in a sentence, and no cookie is looked at."""

    @method_decorator(csrf_exempt)
    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Answer."""
        try:
            return super().dispatch(request, *args, **kwargs)
        except FormatError as error:
            return Refusal(422, str(error)).answer()
        except Refusal as refusal:
            return refusal.answer()


def enter(request: HttpRequest, name: str, scope: str) -> Visit:
    """Return who asks, for what they may do.

    Raises:
        Refusal: They may not; a cache that does not exist is refused like a private one.
    """
    secret = read_secret(request)
    token = Token.find(secret) if secret else None
    if token and token.cache.name == name:
        visit = Visit(cache=token.cache, token=token)
        if not visit.may(scope):
            raise Refusal(403, f"this token does not have the scope '{scope}'")
        return visit
    cache = Cache.objects.filter(name=name, is_public=True).first()
    # A netrc file has one token for a host, which may be that of another cache.
    if cache and scope == Scope.READ:
        return Visit(cache=cache, token=None)
    if token:
        raise Refusal(403, f"this token is not for a cache named {name!r}")
    raise Refusal(UNAUTHORISED, "show a valid token, as the password of a netrc file")


def read_secret(request: HttpRequest) -> str:
    """Return the secret that a request shows, or an empty string."""
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    match scheme.lower():
        case "bearer":
            return value.strip()
        case "basic":
            try:
                return base64.b64decode(value, validate=True).decode().partition(":")[2]
            except (binascii.Error, UnicodeDecodeError):
                return ""
        case _:
            return ""
