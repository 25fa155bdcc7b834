"""Bodies of requests, as they come."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from caches.access import Refusal

if TYPE_CHECKING:
    from django.http import HttpRequest

SMALL = 8 << 20
"""Largest body of a file that is held in memory."""

LARGE = 64 << 20
"""Largest question about paths, some hundred thousand of them."""


def length_of(request: HttpRequest, limit: int) -> int:
    """Return the size that a request states for its body.

    Raises:
        Refusal: It states none, or a larger one than the limit.
    """
    text = request.headers.get("Content-Length", "")
    if not text.isdecimal():
        raise Refusal(411, "the request does not state its size (Content-Length)")
    if int(text) > limit:
        raise Refusal(413, f"the request has {text} bytes, more than {limit}")
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise Refusal(415, "send the file as it is, without Content-Encoding")
    return int(text)


def read_json(request: HttpRequest, limit: int) -> dict[str, Any]:
    """Return a body that is one JSON object.

    Raises:
        Refusal: It is none, or larger than the limit.
    """
    try:
        found = json.loads(read_small(request, limit))
    except (ValueError, RecursionError) as error:
        raise Refusal(400, f"the request is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise Refusal(400, "the request is no JSON object")
    return found


def read_small(request: HttpRequest, limit: int = SMALL) -> bytes:
    """Return a small body whole.

    Raises:
        Refusal: It is not small, or ends early.
    """
    size = length_of(request, limit)
    parts: list[bytes] = []
    left = size
    while left and (chunk := request.read(left)):
        parts.append(chunk)
        left -= len(chunk)
    if left:
        raise Refusal(400, "the request ends early")
    return b"".join(parts)
