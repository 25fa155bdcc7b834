"""Answers to those who ask whether this process lives, and can serve."""

import logging
from collections.abc import Callable

from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse

logger = logging.getLogger(__name__)


class HealthMiddleware:
    """Answers /livez and /readyz before anything asks for a known host name or HTTPS, which probes lack."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer a probe, or pass the request on."""
        match request.path:
            case "/livez":
                return JsonResponse({"status": "ok"})
            case "/readyz":
                return readiness()
            case _:
                return self._get_response(request)


def readiness() -> JsonResponse:
    """Ask the database; the reason of a failure goes to the log, not to strangers."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        logger.exception("the database does not answer")
        return JsonResponse({"database": "failed"}, status=503)
    return JsonResponse({"database": "ok"})
