"""Reasons of failed connections, without URLs, whose queries may hold signatures."""

from __future__ import annotations


def describe_failure(error: BaseException) -> str:
    """Return the operating system's message in a chain of exceptions, or a general description.

    urllib3 and requests hide it several exceptions deep: in causes, arguments or an attribute `reason`.
    """
    seen: list[BaseException] = []
    pending = [error]
    while pending:
        inner = pending.pop(0)
        if isinstance(inner, OSError) and inner.strerror:
            return inner.strerror
        seen.append(inner)
        causes = (inner.__cause__, getattr(inner, "reason", None), *inner.args, inner.__context__)
        pending += [cause for cause in causes if isinstance(cause, BaseException) and cause not in seen]
    return "no answer in time" if any("timed out" in str(inner) for inner in seen) else "the connection broke"
