from __future__ import annotations

import pytest

from entries import MTIME, SPAN
from estiba_runtime import conditional

DATE, ETAG = "HTTP_IF_MODIFIED_SINCE", "HTTP_IF_NONE_MATCH"


def test_times_are_those_of_layers() -> None:
    """No file of a layer has a time beyond the span that conditions are left out for."""
    assert conditional.FIRST == MTIME
    assert conditional.LAST == MTIME + SPAN


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (DATE, "Thu, 01 Jan 1970 00:00:01 GMT"),
        (DATE, "Thu, 03 Jan 1980 00:00:00 GMT"),
        (DATE, "Sun, 09 Sep 2001 01:46:40 GMT"),
        (DATE, "Sun, 09 Sep 2001 01:46:40 GMT; length=4"),
        (DATE, "Sunday, 09-Sep-01 01:46:40 GMT"),
        (DATE, "Sun Sep  9 01:46:40 2001"),
        (ETAG, '"1-4f"'),
        (ETAG, 'W/"1-4f"'),
        (ETAG, '"12d14900-4f"'),
    ],
)
def test_condition_that_says_nothing_is_left_out(name: str, value: str) -> None:
    """A file of the next release may have an earlier time, or the same: it is sent, by WSGI and by ASGI."""
    environ = {"PATH_INFO": "/", name: value}
    header = name.removeprefix("HTTP_").replace("_", "-").lower().encode()
    scope = {"path": "/", "headers": [(b"host", b"shop.example"), (header, value.encode())]}

    conditional.forget(environ=environ, sender=None)
    conditional.forget(scope=scope, sender=None)

    assert environ == {"PATH_INFO": "/"}
    assert scope == {"path": "/", "headers": [(b"host", b"shop.example")]}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (DATE, "Tue, 01 Dec 2026 01:46:40 GMT"),
        (DATE, "yesterday"),
        (DATE, "Sun, 09 Sep 99999999999999 01:46:40 GMT"),
        (DATE, "Sun, 99 Xxx 2001 99:99:99"),
        (ETAG, '"3b9aca00-4f"'),
        (ETAG, '"11-4f"'),
        (ETAG, '"1-4f-of-the-service"'),
        (ETAG, "*"),
    ],
)
def test_other_conditions_stay(name: str, value: str) -> None:
    """Uploads have their own time, ETags of contents tell them apart, and what is no time is for Django to judge."""
    environ = {name: value}
    scope = {"headers": [(name.removeprefix("HTTP_").replace("_", "-").lower().encode(), value.encode("latin-1"))]}
    headers = list(scope["headers"])

    conditional.forget(environ=environ)
    conditional.forget(scope=scope)

    assert environ == {name: value}
    assert scope == {"headers": headers}
