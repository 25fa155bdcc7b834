"""JSON form of the arguments and results of a `Target`'s methods, by their annotations; both sides are one Estiba."""

from __future__ import annotations

import json
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path
from types import UnionType
from typing import Any, Final

from estiba import errors, release_manifest
from estiba.deploy.logbook import Record
from estiba.deploy.target import Target
from estiba.errors import EstibaError, TargetError
from estiba.service.processes import Process

_NAMES: Final[dict[str, Any]] = {
    "Any": Any,
    "Callable": Callable,
    "Contents": release_manifest.Contents,
    "Iterator": Iterator,
    "Mapping": Mapping,
    "Path": Path,
    "Process": Process,
    "Record": Record,
    "ReleaseManifest": release_manifest.ReleaseManifest,
    "Sequence": Sequence,
    "datetime": datetime,
}
"""Names in annotations that their modules import for type checkers alone."""

_GROUPS: Final[Mapping[type, Callable[..., Any]]] = {
    frozenset: frozenset,
    list: list,
    tuple: tuple,
    Iterator: tuple,
    Sequence: tuple,
}


def hints(method: str) -> dict[str, Any]:
    """Return the types of the parameters of a method of `Target`, and that of its result as `return`."""
    return typing.get_type_hints(getattr(Target, method), localns=_NAMES)


def encode(value: Any) -> Any:  # noqa: ANN401 - whatever a target takes or returns
    """Return a value as JSON has it."""
    if is_dataclass(value):
        return {one.name: encode(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, Mapping):
        return {name: encode(one) for name, one in value.items()}
    if isinstance(value, AbstractSet):
        return sorted(value)
    if isinstance(value, list | tuple | Iterator):
        return [encode(one) for one in value]
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    return str(value) if isinstance(value, Path) else value


def decode(kind: Any, data: Any) -> Any:  # noqa: ANN401 - a value of that type
    """Return the value of a type that `encode` has encoded.

    Args:
        kind: Type, as in an annotation.
        data: Its JSON form.

    Raises:
        LookupError: A field is missing.
        TypeError: It has another form.
        ValueError: It has another form.
    """
    origin, words = typing.get_origin(kind), typing.get_args(kind)
    if origin in {UnionType, typing.Union}:
        return None if data is None else decode(words[0], data)
    if origin in _GROUPS:
        return _GROUPS[origin](decode(words[0], one) for one in data)
    if origin in {dict, Mapping}:
        return {name: decode(words[1], one) for name, one in data.items()}
    if isinstance(kind, type) and is_dataclass(kind):
        known = typing.get_type_hints(kind, localns=_NAMES)
        return kind(**{one.name: decode(known[one.name], data[one.name]) for one in fields(kind)})
    if kind is datetime:
        return datetime.fromisoformat(data)
    return kind(data) if kind is Path or (isinstance(kind, type) and issubclass(kind, Enum)) else data


def parse_line(line: str) -> dict[str, Any]:
    """Return the object in a line that the server's program has written; empty for what a login there prints."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def explain(error: EstibaError | OSError) -> EstibaError:
    """Return the error that is told for one of the server's own files, as a disk that is full."""
    if isinstance(error, EstibaError):
        return error
    return TargetError(f"{error.filename or 'the connection'}: {error.strerror or error}")


def describe(error: EstibaError | OSError) -> dict[str, Any]:
    """Return the JSON form of an error."""
    found = explain(error)
    more = {name: value for name, value in vars(found).items() if name not in {"hint", "message"}}
    return {"class": type(found).__name__, "hint": found.hint, "message": found.message, "more": encode(more)}


def restore(data: Mapping[str, Any], where: str) -> EstibaError:
    """Return the error that `describe` has described.

    Args:
        data: Its JSON form.
        where: The machine that it happened on, for the message.
    """
    named = getattr(errors, data["class"], None)
    found = named if isinstance(named, type) and issubclass(named, EstibaError) else TargetError
    # Each class has arguments of its own, which have become the message already.
    error: EstibaError = found.__new__(found)
    EstibaError.__init__(error, f"{where}: {data['message']}", hint=data["hint"])
    for name, value in data["more"].items():
        setattr(error, name, tuple(value) if isinstance(value, list) else value)
    return error
