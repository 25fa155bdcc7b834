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

_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
"""Annotation with the whole object as somebody has applied it."""
_NAMES: Final = frozenset({"name", "secretName"})
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
    return str(yaml.safe_dump(_hide(one, salt), sort_keys=True, width=120))


def _hide(value: object, salt: bytes, *, is_below: bool = False) -> object:
    """Hide values below names that are those of secrets, and the data of Secrets, also where a list has them."""
    if isinstance(value, dict):
        return _hide_mapping(value, salt, is_below=is_below)
    if isinstance(value, list):
        # `--password`, and what follows it.
        before = [None, *value][: len(value)]
        return [
            _hide(one, salt, is_below=is_below or _is_option(last)) for last, one in zip(before, value, strict=True)
        ]
    if is_below and value not in {"", None} and not isinstance(value, bool):
        return _code(value, salt)
    return redact_text(value) if isinstance(value, str) else value


def _hide_mapping(value: Mapping[Any, Any], salt: bytes, *, is_below: bool) -> dict[Any, object]:
    hidden = {_APPLIED, *(_SECRETS if value.get("kind") == "Secret" else ())}
    if is_secret(str(value.get("name", ""))):
        hidden.add("value")
    # What names a Secret is not one: a volume of its files, or a list of those that images are pulled with.
    is_reference = bool(_NAMES & value.keys()) and "value" not in value
    below = is_below and not is_reference
    return {key: _hide(one, salt, is_below=below or key in hidden or is_secret(str(key))) for key, one in value.items()}


def _is_option(word: object) -> bool:
    return isinstance(word, str) and word.startswith("-") and "=" not in word and is_secret(word)


def _code(value: object, salt: bytes) -> str:
    return f"(secret {hashlib.sha256(salt + str(value).encode()).hexdigest()[:8]})"
