"""Logs: one JSON object a line in the Elastic Common Schema, with the request that it belongs to and the release."""

import logging
import re
import time
import tomllib
import uuid
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from django.http import HttpRequest, HttpResponse
from ecs_logging import StdlibFormatter

PROJECT = tomllib.loads((Path(__file__).resolve().parent.parent / "pyproject.toml").read_text(encoding="utf-8"))
NAME: str = PROJECT["project"]["name"]
RELEASE: str = PROJECT["project"]["version"]
ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
FAULT = 500
LEFT_OUT = ["log.original", "log.origin", "process.name", "process.thread", "request", "server_time", "status_code"]

request_id: ContextVar[str] = ContextVar("request_id", default="")
logger = logging.getLogger("request")


def find_request() -> str | None:
    """Return the id of the request that is being answered."""
    return request_id.get() or None


class EcsFormatter(StdlibFormatter):
    """Writes a record with the names of the service, its release, and the request that is being answered."""

    def __init__(self) -> None:
        super().__init__(exclude_fields=LEFT_OUT, ensure_ascii=False)

    def format_to_ecs(self, record: logging.LogRecord) -> dict[str, Any]:
        """Return the fields of a record."""
        fields = super().format_to_ecs(record) | {"service": {"name": NAME, "version": RELEASE}}
        if current := find_request():
            fields.setdefault("http", {}).setdefault("request", {})["id"] = current
        return fields


class RequestMiddleware:
    """Gives each request an id, which a proxy in front may have chosen, and writes a line about its answer."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer, and say who did in the headers."""
        given = request.headers.get("X-Request-ID", "")
        token = request_id.set(given if ID.fullmatch(given) else uuid.uuid4().hex)
        began = time.monotonic()
        try:
            response = self._get_response(request)
            response.headers["X-Request-ID"] = request_id.get()
            response.headers["X-Release"] = RELEASE
            _tell(request, response.status_code, time.monotonic() - began)
        finally:
            request_id.reset(token)
        return response


def _tell(request: HttpRequest, status: int, seconds: float) -> None:
    """Write a line about an answer: the path without what was asked for, where people's names may stand."""
    level = logging.WARNING if status >= FAULT else logging.INFO
    fields = {
        "http.request.method": request.method,
        "http.response.status_code": status,
        "url.path": request.path,
        "event.duration": round(seconds * 1e9),
    }
    logger.log(level, "%s %s answered %d", request.method, request.path, status, extra=fields)
