"""Kubernetes objects as YAML documents: parsed, redacted, compared."""

from __future__ import annotations

import difflib
import hashlib
import secrets
from typing import TYPE_CHECKING, Any, Final

import yaml

from estiba.redaction import is_secret, redact_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

HOOK: Final = "helm.sh/hook"
"""Annotation of objects that Helm runs apart from the release."""

_SECRETS: Final = ("data", "stringData")


def parse(text: str) -> list[dict[str, Any]]:
    """Parse the objects of a YAML text with several documents, without empty ones."""
    # The C loader is ten times faster where PyYAML has it.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return [one for one in yaml.load_all(text, Loader=loader) if isinstance(one, dict)]


def is_hook(one: Mapping[str, Any]) -> bool:
    """Tell whether an object is a hook of Helm's."""
    return HOOK in ((one.get("metadata") or {}).get("annotations") or {})


def name_of(one: Mapping[str, Any]) -> str:
    """Return kind and name as kubectl writes them, `kind/name`."""
    return f"{str(one.get('kind', '')).lower()}/{(one.get('metadata') or {}).get('name', '')}"


def diff(before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]) -> str:
    """Return the unified diff of two sets of objects, without the values of secrets.

    A secret that changes is seen to change: in its place stands a code that differs where the values do, and that
    says nothing of them, since it is of this call alone.
    """
    salt = secrets.token_bytes(16)
    old = {name_of(one): _render(one, salt) for one in before}
    new = {name_of(one): _render(one, salt) for one in after}
    lines: list[str] = []
    for name in sorted({*old, *new}):
        have, want = old.get(name, ""), new.get(name, "")
        lines += difflib.unified_diff(
            have.splitlines(), want.splitlines(), f"served: {name}", f"new: {name}", n=2, lineterm=""
        )
    return "\n".join(lines)


def _render(one: Mapping[str, Any], salt: bytes) -> str:
    return str(yaml.safe_dump(_redact(one, salt), sort_keys=True, width=120))


def _redact(one: Mapping[str, Any], salt: bytes) -> dict[str, Any]:
    if one.get("kind") == "Secret":
        hidden = {
            key: {name: _code(value, salt) for name, value in (one.get(key) or {}).items()}
            for key in _SECRETS
            if key in one
        }
        return {**one, **hidden}
    found = _hide(one, salt)
    assert isinstance(found, dict)
    return found


def _hide(value: object, salt: bytes) -> object:
    """Hide the values of variables, settings and options whose names are those of secrets."""
    if isinstance(value, list):
        return [_hide(one, salt) for one in value]
    if isinstance(value, str):
        return redact_text(value)
    if not isinstance(value, dict):
        return value
    if isinstance(value.get("value"), str) and is_secret(str(value.get("name", ""))):
        return {**value, "value": _code(value["value"], salt)}
    return {
        key: _code(one, salt) if isinstance(one, str) and one and is_secret(str(key)) else _hide(one, salt)
        for key, one in value.items()
    }


def _code(value: object, salt: bytes) -> str:
    return f"(secret {hashlib.sha256(salt + str(value).encode()).hexdigest()[:8]})"
