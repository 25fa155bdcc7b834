"""Metadata of a store path in a binary cache: parsed as strictly as Nix does, and written as Nix writes it.

The format is that of the Nix manual, "Binary Cache Protocol", and of Nix's `nar-info.cc`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from protocol import nix32, signature

if TYPE_CHECKING:
    from collections.abc import Iterable

STORE: Final = "/nix/store"
HASH_DIGITS: Final = 32
MAX_REFERENCES: Final = 10_000
MAX_SIGNATURES: Final = 16
MAX_SIZE: Final = 1 << 50
"""Largest number of bytes that a narinfo may state."""

_BASE_NAME: Final = re.compile(rf"[{nix32.DIGITS}]{{32}}-(?!\.\.?(?:-|$))[0-9a-zA-Z+\-._?=]{{1,211}}")
_CONTENT_ADDRESS: Final = re.compile(r"(?:text|fixed(?::(?:r|git))?):(?:md5|sha1|sha256|sha512):[0-9a-zA-Z+/=]{1,128}")
_NUMBER: Final = re.compile(r"\d{1,19}")
_REPEATED: Final = frozenset({"Sig"})
_KNOWN: Final = (
    "StorePath",
    "URL",
    "Compression",
    "FileHash",
    "FileSize",
    "NarHash",
    "NarSize",
    "References",
    "Deriver",
    "Sig",
    "CA",
)


class FormatError(Exception):
    """What was sent is not in the format that it should have; the message says where, for the one who sent it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NarInfo:
    """Metadata of a store path.

    Attributes:
        base_name: Store path without the folder of the store.
        url: Address of the compressed NAR, relative to the cache.
        compression: Name of the compression, such as `zstd`.
        file_hash: SHA-256 of the compressed NAR, or None if it is not stated.
        file_size: Size of the compressed NAR in bytes, or None if it is not stated.
        nar_hash: SHA-256 of the NAR.
        nar_size: Size of the NAR in bytes.
        references: Base names of the referenced store paths, sorted; maybe with its own.
        deriver: Base name of the derivation, or an empty string.
        signatures: Signatures as `name:base64`.
        ca: Content address, or an empty string.
    """

    base_name: str
    url: str
    compression: str
    file_hash: bytes | None
    file_size: int | None
    nar_hash: bytes
    nar_size: int
    references: tuple[str, ...]
    deriver: str = ""
    signatures: tuple[str, ...] = ()
    ca: str = ""

    @property
    def hash_part(self) -> str:
        """The first 32 digits of the base name, which name the narinfo."""
        return self.base_name[:HASH_DIGITS]

    @property
    def fingerprint(self) -> str:
        """What is signed: path, hash and size of the NAR, and the references (Nix's `path-info.cc`)."""
        references = ",".join(f"{STORE}/{name}" for name in self.references)
        return f"1;{STORE}/{self.base_name};sha256:{nix32.encode(self.nar_hash)};{self.nar_size};{references}"

    def sign_with(self, keys: Iterable[signature.SecretKey]) -> NarInfo:
        """Return the metadata with signatures of some keys before those of others."""
        own = [key.sign(self.fingerprint) for key in keys]
        return replace(self, signatures=tuple(dict.fromkeys([*own, *self.signatures])))

    def render(self) -> str:
        """Return the text, with its lines in Nix's order."""
        lines = [
            f"StorePath: {STORE}/{self.base_name}",
            f"URL: {self.url}",
            f"Compression: {self.compression}",
            *([f"FileHash: sha256:{nix32.encode(self.file_hash)}"] if self.file_hash else []),
            *([f"FileSize: {self.file_size}"] if self.file_size else []),
            f"NarHash: sha256:{nix32.encode(self.nar_hash)}",
            f"NarSize: {self.nar_size}",
            # The space belongs to it: without one, Nix takes the next line for the value.
            f"References: {' '.join(self.references)}",
            *([f"Deriver: {self.deriver}"] if self.deriver else []),
            *(f"Sig: {one}" for one in self.signatures),
            *([f"CA: {self.ca}"] if self.ca else []),
        ]
        return "".join(f"{line}\n" for line in lines)


def parse(text: str) -> NarInfo:
    """Parse a narinfo.

    Raises:
        FormatError: It is not one that every version of Nix reads.
    """
    fields = _split(text)
    try:
        nar_hash = nix32.parse_hash(_need(fields, "NarHash"))
        file_hash = nix32.parse_hash(fields["FileHash"][0]) if "FileHash" in fields else None
    except ValueError as error:
        raise FormatError(str(error)) from error
    deriver = _first(fields, "Deriver")
    return NarInfo(
        base_name=_parse_path(_need(fields, "StorePath")),
        url=_need(fields, "URL"),
        # Nix's own default.
        compression=_first(fields, "Compression") or "bzip2",
        file_hash=file_hash,
        file_size=_parse_size("FileSize", fields["FileSize"][0]) if "FileSize" in fields else None,
        nar_hash=nar_hash,
        nar_size=_parse_size("NarSize", _need(fields, "NarSize")),
        references=_parse_references(_first(fields, "References")),
        deriver="" if deriver in {"", "unknown-deriver"} else check_base_name(deriver),
        signatures=_parse_signatures(fields.get("Sig", ())),
        ca=_parse_content_address(_first(fields, "CA")),
    )


def _split(text: str) -> dict[str, list[str]]:
    """Return the values of the known fields; unknown ones are ignored, as Nix does."""
    if not text.endswith("\n"):
        message = "the last line of the narinfo does not end"
        raise FormatError(message)
    fields: dict[str, list[str]] = {}
    for number, line in enumerate(text[:-1].split("\n"), start=1):
        name, separator, value = line.partition(": ")
        if not separator or not line.isprintable():
            message = f"line {number} of the narinfo is not `Name: value`"
            raise FormatError(message)
        if name in _KNOWN:
            fields.setdefault(name, []).append(value)
    for name, values in fields.items():
        if len(values) > 1 and name not in _REPEATED:
            message = f"the narinfo has {name} twice"
            raise FormatError(message)
    return fields


def _first(fields: dict[str, list[str]], name: str) -> str:
    return fields[name][0] if name in fields else ""


def _need(fields: dict[str, list[str]], name: str) -> str:
    if value := _first(fields, name):
        return value
    message = f"the narinfo has no {name}"
    raise FormatError(message)


def _parse_path(text: str) -> str:
    folder, _, base_name = text.rpartition("/")
    if folder != STORE:
        message = f"not a path in {STORE}: {text!r}"
        raise FormatError(message)
    return check_base_name(base_name)


def check_base_name(text: str) -> str:
    """Return a text that is the name of a store path, without the folder of the store.

    Raises:
        FormatError: It is none.
    """
    if not _BASE_NAME.fullmatch(text):
        message = f"not the name of a store path: {text!r}"
        raise FormatError(message)
    return text


def _parse_references(text: str) -> tuple[str, ...]:
    names = text.split(" ") if text else []
    if len(names) > MAX_REFERENCES:
        message = f"the narinfo has {len(names)} references, more than {MAX_REFERENCES}"
        raise FormatError(message)
    return tuple(sorted({check_base_name(name) for name in names}))


def _parse_size(name: str, text: str) -> int:
    size = int(text) if _NUMBER.fullmatch(text) else 0
    if not 0 < size <= MAX_SIZE:
        message = f"{name} is {text!r}, not a number of bytes"
        raise FormatError(message)
    return size


def _parse_signatures(texts: Iterable[str]) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(texts))
    if len(found) > MAX_SIGNATURES:
        message = f"the narinfo has {len(found)} signatures, more than {MAX_SIGNATURES}"
        raise FormatError(message)
    for text in found:
        if not signature.is_signature(text):
            # Since 2.34 Nix reads no narinfo with such a line.
            message = f"not a signature: {text!r}"
            raise FormatError(message)
    return found


def _parse_content_address(text: str) -> str:
    if text and not _CONTENT_ADDRESS.fullmatch(text):
        message = f"not a content address: {text!r}"
        raise FormatError(message)
    return text
