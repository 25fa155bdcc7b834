"""Graphviz' list of its plugins, without which dot draws nothing; `dot -c` writes it as the package is configured.

It is read from the plugins' own tables, as nothing of the packages runs here: those of another platform could not.
Format and tables are those of Graphviz' `gvconfig.c` and `gvcext.h`.
"""

import re
import struct
from collections.abc import Iterator

from entries import Entries, file

_PLUGIN = re.compile(r"(usr/lib/[^/]+/graphviz)/libgvplugin_\w+\.so\.(\d+)")
_LIST = "config{}a"
"""Debian's name of the list, with the version of the plugins' interface; libgvc6's prerm has it too."""

_APIS = ("render", "layout", "textlayout", "device", "loadimage")
_TABLE = b"_LTX_library"
_API, _TYPE, _QUALITY, _ENTRY = 16, 8, 16, 40
"""Sizes of what the tables are made of, and places in an entry: a number, its name, its quality and two pointers."""

_RELA, _DYNSYM = 4, 11
_SYMBOL, _RELOCATION = 24, 24
_RELATIVE = frozenset({8, 1027})
"""Relocations that are an address alone, on x86-64 and AArch64; others have a symbol's address added."""


def list_plugins(root: Entries) -> Entries:
    """Return the list for the plugins in a root, or nothing where there are none."""
    found: dict[str, list[str]] = {}
    for path in sorted(root.items):
        if (plugin := _PLUGIN.fullmatch(path)) and (place := root.resolve(path)):
            name = f"{plugin[1]}/{_LIST.format(plugin[2])}"
            found.setdefault(name, []).extend(describe(path, Library(root.items[place].read())))
    made = Entries()
    for name, lines in found.items():
        made.add(name, file("".join(lines).encode()))
    return made


class Library:
    """A 64-bit little-endian shared library, as the loader sees its data."""

    def __init__(self, data: bytes) -> None:
        """Read its sections.

        Args:
            data: The file.
        """
        self._data = data
        (at,) = struct.unpack_from("<Q", data, 40)
        size, count = struct.unpack_from("<HH", data, 58)
        # Each with its type, its address, its place in the file, its size and the number of its names' section.
        sections: list[tuple[int, ...]] = [
            struct.unpack_from("<4xI8xQQQI", data, at + index * size) for index in range(count)
        ]
        self._sections = [one for one in sections if one[1]]
        self._symbols = dict(self._read_symbols(sections))
        self._pointers = dict(self._read_pointers(sections))

    def find(self, suffix: bytes) -> int | None:
        """Return the address of the symbol whose name ends so."""
        return next((value for name, value in self._symbols.values() if name.endswith(suffix)), None)

    def pointer(self, address: int) -> int:
        """Return the address that is stored at one, 0 for none."""
        return self._pointers.get(address, 0)

    def number(self, address: int) -> int:
        """Return the 32-bit number at an address."""
        (found,) = struct.unpack_from("<i", self._data, self._place(address))
        return int(found)

    def text(self, address: int) -> str:
        """Return the text at an address."""
        return self._text(self._place(address)).decode()

    def _text(self, place: int) -> bytes:
        return self._data[place : self._data.index(b"\0", place)]

    def _place(self, address: int) -> int:
        return next(
            place + address - start for _, start, place, size, _ in self._sections if 0 <= address - start < size
        )

    def _read_symbols(self, sections: list[tuple[int, ...]]) -> Iterator[tuple[int, tuple[bytes, int]]]:
        for kind, _, place, size, names in sections:
            if kind == _DYNSYM:
                for index in range(size // _SYMBOL):
                    name, value = struct.unpack_from("<I4xQ", self._data, place + index * _SYMBOL)
                    yield index, (self._text(sections[names][2] + name), value)

    def _read_pointers(self, sections: list[tuple[int, ...]]) -> Iterator[tuple[int, int]]:
        for kind, _, place, size, _ in sections:
            if kind == _RELA:
                for at in range(place, place + size, _RELOCATION):
                    address, sort, symbol, addend = struct.unpack_from("<QIIq", self._data, at)
                    yield address, addend if sort in _RELATIVE else self._symbols[symbol][1] + addend


def describe(path: str, library: Library) -> Iterator[str]:
    """Yield the lines about a plugin: what it renders, lays out, writes and loads, each with its quality.

    Args:
        path: Its place in the root.
        library: Its content.
    """
    table = library.find(_TABLE)
    if table is None:
        return
    yield f"{path.rpartition('/')[2]} {library.text(library.pointer(table))} {{\n"
    api = library.pointer(table + 8)
    while types := library.pointer(api + 8):
        yield f"\t{_APIS[library.number(api)]} {{\n"
        while name := library.pointer(types + _TYPE):
            yield f"\t\t{library.text(name)} {library.number(types + _QUALITY)}\n"
            types += _ENTRY
        yield "\t}\n"
        api += _API
    yield "}\n"
