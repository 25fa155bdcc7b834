"""Responses of servers to requests of the library `requests`, read within limits."""

from __future__ import annotations

import functools
import io

import requests
import urllib3.exceptions

from estiba import limits
from estiba.limits import LimitError


class ResponseLimitError(LimitError, requests.RequestException):
    """A response exceeds its limit."""


def bound(response: requests.Response, limit: int = limits.LIMIT) -> requests.Response:
    """Read the body of a streamed response, and return the response with it.

    Args:
        response: Response to a request with `stream=True`.
        limit: Largest size of the body in bytes.

    Raises:
        ResponseLimitError: The body is larger, or comes too slowly.
        requests.exceptions.ChunkedEncodingError: The connection broke.
    """
    try:
        # Not `stream`, which waits for a whole part, however long that takes.
        body = limits.read(functools.partial(response.raw.read1, decode_content=True), limit)
    except urllib3.exceptions.HTTPError as error:
        raise requests.exceptions.ChunkedEncodingError(str(error)) from error
    except LimitError as error:
        response.close()
        raise ResponseLimitError(str(error)) from error
    response.raw = io.BytesIO(body)
    return response
