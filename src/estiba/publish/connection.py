"""The reason of a failed connection, in a few words and without the address, whose query may hold a signature."""

from __future__ import annotations


def describe_failure(error: BaseException) -> str:
    """Return what the operating system said about a broken connection, or the most that is known."""
    seen: list[BaseException] = []
    waiting = [error]
    while waiting:
        inner = waiting.pop(0)
        if isinstance(inner, OSError) and inner.strerror:
            return inner.strerror
        seen.append(inner)
        causes = (inner.__cause__, getattr(inner, "reason", None), *inner.args, inner.__context__)
        waiting += [cause for cause in causes if isinstance(cause, BaseException) and cause not in seen]
    return "no answer in time" if any("timed out" in str(inner) for inner in seen) else "the connection broke"
