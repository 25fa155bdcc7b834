"""Faults as `application/problem+json` (RFC 9457) for the API, and as pages for people."""

import http
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views import defaults
from rest_framework.exceptions import ValidationError
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response
from rest_framework.views import exception_handler

from config.logs import request_id

API = "/api/"
TYPE = "application/problem+json"


class ProblemRenderer(JSONRenderer):
    """Writes a problem with its own content type."""

    media_type = TYPE


def describe(status: int, detail: str = "", **more: Any) -> dict[str, Any]:
    """Return the members of a problem; `request_id` finds it in the logs."""
    title = http.HTTPStatus(status).phrase
    given = {"detail": detail, "request_id": request_id.get(), **more}
    return {"type": "about:blank", "title": title, "status": status} | {k: v for k, v in given.items() if v}


def handle(error: Exception, context: dict[str, Any]) -> Response | None:
    """Answer an exception of the API; those that nobody expects are logged by Django, and answered by `fault`."""
    response = exception_handler(error, context)
    if response is None:
        return None
    if isinstance(error, ValidationError):
        response.data = describe(response.status_code, "some values cannot be used", errors=response.data)
    else:
        response.data = describe(response.status_code, str(getattr(error, "detail", error)))
    # What the client asked for may not be JSON at all; the problem is.
    request = context["request"]
    request.accepted_renderer, request.accepted_media_type = ProblemRenderer(), TYPE
    return response


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a request that makes no sense."""
    return _answer(request, 400) or defaults.bad_request(request, exception)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a request that this person may not make."""
    return _answer(request, 403) or defaults.permission_denied(request, exception)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a request for what is not there."""
    return _answer(request, 404) or defaults.page_not_found(request, exception)


def fault(request: HttpRequest) -> HttpResponse:
    """Answer a request that failed for a fault of ours."""
    return _answer(request, 500) or defaults.server_error(request)


def _answer(request: HttpRequest, status: int) -> HttpResponse | None:
    """Return a problem for the API, and nothing for people."""
    is_api = request.path.startswith(API)
    return JsonResponse(describe(status), status=status, content_type=TYPE) if is_api else None
