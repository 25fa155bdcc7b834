"""Answers to those who ask whether this process lives, can serve, and how it is doing."""

import logging
from collections.abc import Callable

from django.core.cache import cache
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django_prometheus.exports import ExportToDjangoView
from prometheus_client import Gauge

from config.logs import RELEASE

logger = logging.getLogger(__name__)

# Joined to other metrics, it tells which release they are of; all processes of a release say the same.
released = Gauge("service_release", "1 for the release that is served", ["release"], multiprocess_mode="max")
released.labels(RELEASE).set(1)


class HealthMiddleware:
    """Answers /livez, /readyz and /metrics before anything asks for a known host name or HTTPS, which probes lack."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer a probe, or pass the request on."""
        match request.path:
            case "/livez":
                return JsonResponse({"status": "ok"})
            case "/readyz":
                return readiness()
            # Whoever comes through a proxy is a stranger; Prometheus asks the process itself.
            case "/metrics" if "X-Forwarded-For" not in request.headers:
                return ExportToDjangoView(request)
            case _:
                return self._get_response(request)


def readiness() -> JsonResponse:
    """Ask database and cache; the reason of a failure goes to the log, not to strangers."""
    answers = {"database": _answers("database", _ask_database), "cache": _answers("cache", _ask_cache)}
    status = 200 if all(answers.values()) else 503
    return JsonResponse({name: "ok" if fine else "failed" for name, fine in answers.items()}, status=status)


def _answers(name: str, ask: Callable[[], None]) -> bool:
    try:
        ask()
    except Exception:
        logger.exception("%s does not answer", name)
        return False
    return True


def _ask_database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _ask_cache() -> None:
    cache.get("readyz")
