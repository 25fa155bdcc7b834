"""Bodies of requests, as they come."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caches.access import Refusal

if TYPE_CHECKING:
    from django.http import HttpRequest

SMALL = 8 << 20
"""Largest body that is held in memory."""


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


def read_small(request: HttpRequest) -> bytes:
    """Return a small body whole.

    Raises:
        Refusal: It is not small, or ends early.
    """
    size = length_of(request, SMALL)
    parts: list[bytes] = []
    left = size
    while left and (chunk := request.read(left)):
        parts.append(chunk)
        left -= len(chunk)
    if left:
        raise Refusal(400, "the request ends early")
    return b"".join(parts)
