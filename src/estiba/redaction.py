"""Redaction of secrets from text and JSON values, by the names that precede them and by known values."""

from __future__ import annotations

import base64
import json
import re
import urllib.parse
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

REDACTED: Final = "***"
"""What stands in the place of a secret."""

_SHORTEST: Final = 4
"""Least length of a known value to look for; a shorter one is no secret, and would blot out ordinary words."""

_VARIABLE: Final = 8
"""Least length of the value of a secret variable to look for; `DEBUG_TOKENS=false` makes no secret of `false`."""

_LINE: Final = 16
"""Least length of a line of a known value to look for on its own, as in a diff of a private key."""

_STEMS: Final = (
    "password|passwd|passphrase|secret|token|credential|authorization|cookie|dsn|apikey"
    "|(?:api|access|private|signing|encryption|fernet|jwt|master|account)[_.-]?key"
)
_SECRET: Final = re.compile(_STEMS, re.IGNORECASE)
# `existingSecret`, `secretName`, `secretKeyRef` and `TOKEN_FILE` say where a secret is.
_REFERENCE: Final = re.compile(r"^existing|(?:name|names|ref|reference|file|path|class|type)$", re.IGNORECASE)
_NAME: Final = rf"(?<![\w.-])(?P<name>[\w.-]*(?:{_STEMS})[\w.-]*)"
_HARMLESS: Final = frozenset({"", "[]", "{}", "false", "no", "none", "null", "true", "yes", REDACTED})

_PRIVATE_KEY: Final = re.compile(r"(?P<before>-----BEGIN [A-Z ]*PRIVATE KEY-----).*?(?P<after>-----END|\Z)", re.DOTALL)
_WITHOUT_NAME: Final = (
    _PRIVATE_KEY,
    # Headers of HTTP, whose values have blanks.
    re.compile(
        r"(?P<before>\b(?:Authorization|(?:Set-)?Cookie)[\"']?\s*[:=]\s*[\"']?)[^\r\n\"']+(?P<after>)", re.IGNORECASE
    ),
    re.compile(r"(?P<before>\b[a-z][a-z0-9+.-]{0,30}://[^\s/:@\"']*:)[^\s\"']+(?P<after>@)", re.IGNORECASE),
    # A token in place of a user, as hosts of git take it; a name of sixteen letters is none.
    re.compile(r"(?P<before>\bhttps?://)[^\s/:@\"']{16,}(?P<after>@)", re.IGNORECASE),
    re.compile(r"(?P<before>\b(?:Bearer|Basic)\s+)[\w+/=.~-]{8,}(?P<after>)"),
    re.compile(r"(?P<before>)\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*(?P<after>)"),  # a JSON Web Token (RFC 7519, 3.1)
)
_VALUE: Final = r"(?P<value>\"(?:[^\"\\\n]|\\.)*\"|'[^'\n]*'|\S+)"
_MARK: Final = r"\\*[\"']?"
"""A quote, also in a text within a text."""
_NAMED: Final = (
    # A block of YAML: the lines below that are deeper.
    re.compile(
        rf"(?<![^\n])(?P<indent>[ \t]*)(?:- )?[\"']?{_NAME}(?P<between>[\"']?:[ \t]*)"
        r"(?P<value>[|>][-+\d]*[ \t]*\n(?:(?P=indent)[ \t]+\S.*\n|[ \t]*\n)*(?P=indent)[ \t]+\S.*)",
        re.IGNORECASE,
    ),
    # Name and value side by side, as of a variable of a container, in YAML, JSON or Go.
    re.compile(
        rf"\bname{_MARK}[ \t]*[=:][ \t]*{_MARK}{_NAME}(?P<between>{_MARK}\s*,?\s*{_MARK}value{_MARK}[ \t]*[=:][ \t]*)"
        rf"(?P<value>\\+\"(?:[^\"\\]|\\+[^\"\\])*\\+\"|{_VALUE[len('(?P<value>') :]}",
        re.IGNORECASE,
    ),
    re.compile(rf"{_NAME}(?P<between>[\"']?[ \t]*(?:=>|[=:])[ \t]*){_VALUE}", re.IGNORECASE),
    re.compile(rf"(?<!\S)--(?P<name>[\w-]*(?:{_STEMS})[\w-]*)(?P<between>[ ]+){_VALUE}", re.IGNORECASE),
)


def is_secret(name: str) -> bool:
    """Tell whether a variable, setting or option of this name holds a secret, and not the place of one."""
    return bool(_SECRET.search(name)) and not _REFERENCE.search(name)


def find_secrets(variables: Mapping[str, str]) -> frozenset[str]:
    """Return the values of those environment variables whose names are those of secrets."""
    return frozenset(value for name, value in variables.items() if is_secret(name) and len(value) >= _VARIABLE)


def redact_text(text: str, values: Collection[str] = ()) -> str:
    """Return a text without secrets: known ones, passwords in URLs, tokens, private keys, values of secret names.

    Args:
        text: Any text, such as a message, a diff or a command line.
        values: Secrets that are known; also found quoted for a URL or for JSON, or in base64.
    """
    for form in _forms(values):
        text = text.replace(form, REDACTED)
    for pattern in _WITHOUT_NAME:
        text = pattern.sub(rf"\g<before>{REDACTED}\g<after>", text)
    for pattern in _NAMED:
        text = pattern.sub(_redact_named, text)
    return text


def redact_mapping(mapping: Mapping[str, Any], values: Collection[str] = ()) -> dict[str, Any]:
    """Return a JSON object without secrets; the texts in it are redacted as by `redact_text`.

    Args:
        mapping: JSON object. Texts and numbers below a name that stands for a secret are redacted.
        values: As for `redact_text`.
    """
    return {name: _redact(value, values, is_below=is_secret(name)) for name, value in mapping.items()}


def _redact(value: object, values: Collection[str], *, is_below: bool) -> object:
    if isinstance(value, dict):
        return {name: _redact(one, values, is_below=is_below or is_secret(str(name))) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_redact(one, values, is_below=is_below) for one in value]
    if value is None or isinstance(value, bool):
        return value
    if is_below:
        return REDACTED if value != "" else ""
    return redact_text(value, values) if isinstance(value, str) else value


def _redact_named(match: re.Match[str]) -> str:
    name, value = match["name"], match["value"]
    bare = value.strip("\"',;")
    if not is_secret(name) or bare.lower() in _HARMLESS:
        return match[0]
    quote = value[0] if value[0] in "\"'" else ""
    return f"{match[0].removesuffix(value)}{quote}{REDACTED}{quote}"


def _forms(values: Collection[str]) -> list[str]:
    """Return the forms in which secrets may stand in a text, longest first, so that none is left in part."""
    lines = {line.strip() for value in values for line in value.splitlines() if len(line.strip()) >= _LINE}
    found: set[str] = set()
    for value in {*values, *lines}:
        if len(value) >= _SHORTEST:
            coded = base64.b64encode(value.encode()).decode()
            found |= {value, urllib.parse.quote(value, safe=""), json.dumps(value)[1:-1], coded}
    return sorted(found, key=lambda form: (-len(form), form))
