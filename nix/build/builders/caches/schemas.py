"""GLib's settings with their types and defaults, without which programs that ask for them end, those of GTK for one.

`glib-compile-schemas` writes them from the descriptions of packages. Their format is that of `gschema.dtd` of GLib, and
what is written that of its `gsettingsschema.c`. A file of descriptions that are not valid is left out, as there.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any
from xml.etree import ElementTree as ET

import gvariant
import gvdb
from entries import Entries, file

_FOLDER = "usr/share/glib-2.0/schemas"
_FILES = re.compile(rf"{_FOLDER}/[^/]+\.(gschema|enums)\.xml")
_OVERRIDES = re.compile(rf"{_FOLDER}/[^/]+\.gschema\.override")
_GROUP = re.compile(r"\[([^:\]]+)(?::([^\]]*))?\]")
_LIMITS = {
    "d": ("-inf", "inf"),
    **{kind: (str(-(1 << bits - 1)), str((1 << bits - 1) - 1)) for kind, bits in (("n", 16), ("i", 32), ("x", 64))},
    **{kind: ("0", str((1 << bits) - 1)) for kind, bits in (("y", 8), ("q", 16), ("u", 32), ("t", 64))},
}
"""Range of a number by its type, where a description says only one end."""


@dataclass
class _Key:
    """A setting; `names` are the words that it may have, as the file has them, and `sort` is what they are."""

    kind: str
    default: Any = None
    text: str = ""
    translated: str = ""
    names: bytes = b""
    sort: str = "c"
    limits: tuple[Any, Any] | None = None
    desktops: list[tuple[str, tuple[str, Any]]] = field(default_factory=list)


@dataclass
class _Schema:
    """A table of settings; `children` are names of other tables."""

    attributes: dict[str, str]
    keys: dict[str, _Key] = field(default_factory=dict)
    children: dict[str, str] = field(default_factory=dict)


def compile_all(root: Entries) -> Entries:
    """Return the compiled settings for the descriptions in a root, or nothing where there are none."""
    made = Entries()
    words: dict[str, tuple[str, bytes]] = {}
    schemas: dict[str, _Schema] = {}
    for path in sorted(filter(_FILES.fullmatch, root.items), key=lambda path: (not path.endswith(".enums.xml"), path)):
        try:
            # Packages are signed: nobody sends XML that is made to harm.
            tree = ET.fromstring(root.items[path].read())  # noqa: S314 - see above
            words |= {f"{one.tag} {one.get('id')}": _read_words(one) for one in tree if one.tag in ("enum", "flags")}
            found = dict(schemas)
            for one in tree.iterfind("schema"):
                found[one.attrib["id"]] = _read_schema(one, tree.get("gettext-domain", ""), found, words)
            schemas = found
        except (ET.ParseError, KeyError, ValueError, struct.error) as error:
            print(f"/{path}: its settings are left out: {error}")
    for path in sorted(filter(_OVERRIDES.fullmatch, root.items)):
        _override(root.items[path].read().decode(), schemas)
    if schemas:
        tables = {name: dict(_list_items(schema)) for name, schema in schemas.items()}
        made.add(f"{_FOLDER}/gschemas.compiled", file(gvdb.write(tables)))
    return made


def _read_words(node: ET.Element) -> tuple[str, bytes]:
    values = ((value.attrib["nick"], int(value.attrib["value"], 0)) for value in node.iterfind("value"))
    # Of flags no value is no flag.
    return node.tag[0], b"".join(_spell(nick, value) for nick, value in values if value or node.tag == "enum")


def _spell(word: str, value: int, mark: bytes = b"\xff") -> bytes:
    """Return a number and a word that stands for it, in words of 32 bits (GLib's `strinfo.c`)."""
    text = mark + word.encode() + b"\0"
    size = max(8, (len(text) + 4) // 4 * 4)
    return struct.pack("<I", value & 0xFFFFFFFF) + text.ljust(size - 1, b"\0") + b"\xff"


def _read_schema(
    node: ET.Element, domain: str, known: dict[str, _Schema], words: dict[str, tuple[str, bytes]]
) -> _Schema:
    schema = _Schema({"gettext-domain": domain, **node.attrib})
    above = known[node.attrib["extends"]] if "extends" in node.attrib else None
    if above and "list-of" in above.attributes:
        schema.attributes.setdefault("list-of", above.attributes["list-of"])
    for one in node:
        if one.tag == "key":
            schema.keys[one.attrib["name"]] = _read_key(one, words)
        elif one.tag == "override":
            schema.keys[one.attrib["name"]] = _read_default(replace(_inherit(node, one, known), desktops=[]), one)
        elif one.tag == "child":
            schema.children[f"{one.attrib['name']}/"] = one.attrib["schema"]
    return schema


def _inherit(node: ET.Element, override: ET.Element, known: dict[str, _Schema]) -> _Key:
    """Return the key that a schema overrides, of the nearest one that it extends."""
    above = known[node.attrib["extends"]]
    while override.attrib["name"] not in above.keys:
        above = known[above.attributes["extends"]]
    return above.keys[override.attrib["name"]]


def _read_key(node: ET.Element, words: dict[str, tuple[str, bytes]]) -> _Key:
    key = _Key(node.get("type", "as" if "flags" in node.attrib else "s"))
    for tag in {"enum", "flags"} & node.attrib.keys():
        key.sort, key.names = words[f"{tag} {node.attrib[tag]}"]
    for choice in node.iterfind("choices/choice"):
        key.names += _spell(choice.attrib["value"], 0)
    for alias in node.iterfind("aliases/alias"):
        target = key.names.index(_spell(alias.attrib["target"], 0)[4:]) - 4
        key.names += _spell(alias.attrib["value"], target // 4, b"\xfe")
    if (limits := node.find("range")) is not None:
        least, most = _LIMITS[key.kind]
        given = (limits.get("min", least), limits.get("max", most))
        key.limits = gvariant.parse(key.kind, given[0]), gvariant.parse(key.kind, given[1])
    default = node.find("default")
    return _read_default(key, ET.Element("default") if default is None else default)


def _read_default(key: _Key, node: ET.Element) -> _Key:
    """Return a key with its default, and with the text that is translated instead, as catalogues have it."""
    text = node.text or ""
    context = f"{node.attrib['context']}\4" if "context" in node.attrib else ""
    value = gvariant.parse(key.kind, text)
    return replace(key, default=value, text=context + text.strip(), translated=node.get("l10n", "")[:1])


def _override(text: str, schemas: dict[str, _Schema]) -> None:
    """Apply a file of other defaults, some for one desktop alone; what is not known or no value is passed over."""
    schema, desktop = None, None
    for line in map(str.strip, text.splitlines()):
        name, equals, value = line.partition("=")
        if group := _GROUP.fullmatch(line):
            schema, desktop = schemas.get(group[1]), group[2]
        elif schema and equals and not line.startswith("#") and (key := schema.keys.get(name.strip())):
            try:
                found = gvariant.parse(key.kind, value.strip())
            except (KeyError, ValueError) as error:
                print(f"{line}: left out: {error}")
                continue
            if desktop is None:
                key.default = found
            elif not key.translated:
                key.desktops.append((desktop, (key.kind, found)))


def _list_items(schema: _Schema) -> Iterator[tuple[str, bytes]]:
    """Yield the items of a schema's table, each with its value as a variant."""
    for name, key in schema.keys.items():
        yield name, gvariant.serialise("v", _describe(key))
    for name, child in schema.children.items():
        yield name, gvariant.serialise("v", ("s", child))
    domain = {"gettext-domain"} if any(key.translated for key in schema.keys.values()) else set()
    for name in sorted({"path", "extends", "list-of", *domain} & schema.attributes.keys()):
        yield f".{name}", gvariant.serialise("v", ("s", schema.attributes[name]))


def _describe(key: _Key) -> tuple[str, tuple[Any, ...]]:
    """Return type and value of what is written about a key: its default, and what else there is, with a letter each."""
    parts: list[tuple[str, Any]] = [(key.kind, key.default)]
    if key.translated:
        parts.append(("(y(ys))", (ord("l"), (ord(key.translated), key.text))))
    if key.names:
        numbers = list(struct.unpack(f"<{len(key.names) // 4}I", key.names))
        parts.append(("(yau)", (ord(key.sort), numbers)))
    if key.limits:
        parts.append((f"(y({key.kind * 2}))", (ord("r"), key.limits)))
    if key.desktops:
        parts.append(("(ya{sv})", (ord("d"), key.desktops)))
    return f"({''.join(kind for kind, _ in parts)})", tuple(value for _, value in parts)
