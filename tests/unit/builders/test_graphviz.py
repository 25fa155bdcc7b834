from __future__ import annotations

import struct

import pytest

import graphviz
from entries import Entries, file, link

FOLDER = "usr/lib/x/graphviz"
BASE, RELATIVE, ABSOLUTE = 0x1000, {"x86-64": 8, "AArch64": 1027}, {"x86-64": 1, "AArch64": 257}


def library(machine: str, package: str, apis: list[tuple[int, list[tuple[str, int]]]]) -> bytes:
    """Write a plugin as a linker does: tables whose pointers are relocations, one of them by a symbol."""
    data = bytearray()
    relocations: list[tuple[int, int, int, int]] = []

    def put(content: bytes, pointers: dict[int, int] | None = None) -> int:
        at = BASE + len(data)
        data.extend(content)
        relocations.extend((at + place, RELATIVE[machine], 0, target) for place, target in (pointers or {}).items())
        return at

    listed = []
    for number, types in apis:
        names = [put(f"{name}\0".encode()) for name, _ in types]
        entries = b"".join(struct.pack("<i4xQi4xQQ", 1, 0, quality, 0, 0) for _, quality in types) + bytes(40)
        listed.append((number, put(entries, {8 + 40 * at: name for at, name in enumerate(names)})))
    table = b"".join(struct.pack("<i4xQ", number, 0) for number, _ in listed) + bytes(16)
    tables = put(table, {8 + 16 * at: types for at, (_, types) in enumerate(listed)})
    name = put(f"{package}\0".encode())
    start = put(bytes(16), {0: name})
    relocations.append((start + 8, ABSOLUTE[machine], 1, 0))

    strings = b"\0tables\0gvplugin_x_LTX_library\0"
    symbols = bytes(24) + struct.pack("<I4xQQ", 1, tables, 0) + struct.pack("<I4xQQ", 8, start, 0)
    relocated = b"".join(struct.pack("<QIIq", *one) for one in relocations)
    body = bytes(data) + strings + symbols + relocated
    places = [64, 64 + len(data), 64 + len(data) + len(strings), 64 + len(body) - len(relocated)]
    sections = [
        (0, 0, 0, 0, 0),
        (1, BASE, places[0], len(data), 0),
        (3, 0, places[1], len(strings), 0),
        (11, 0, places[2], len(symbols), 2),
        (4, 0, places[3], len(relocated), 3),
    ]
    header = b"\x7fELF\x02\x01".ljust(40, b"\0") + struct.pack("<Q10xHH2x", 64 + len(body), 64, len(sections))
    return header + body + b"".join(struct.pack("<4xI8xQQQI20x", *one) for one in sections)


@pytest.mark.parametrize("machine", RELATIVE)
def test_list_is_what_dot_would_write(machine: str) -> None:
    """It names each plugin with what it can, in the order of their names; other libraries are not in it."""
    dot = library(machine, "dot_layout", [(1, [("dot", 0), ("osage", 0)])])
    core = library(machine, "core", [(3, [("dot:dot", 1), ("mp:mp", -1)]), (0, [("dot", 1)])])
    root = Entries(
        {
            f"{FOLDER}/libgvplugin_dot_layout.so.6.0.0": file(dot),
            f"{FOLDER}/libgvplugin_dot_layout.so.6": link("libgvplugin_dot_layout.so.6.0.0"),
            f"{FOLDER}/libgvplugin_core.so.6": file(core),
            f"{FOLDER}/libgvplugin_gone.so.6": link("nowhere"),
            "usr/lib/x/libgvc.so.6": file(b""),
        }
    )
    made = graphviz.list_plugins(root)

    assert list(made.items) == [f"{FOLDER}/config6a"]
    assert made.items[f"{FOLDER}/config6a"].read().decode() == (
        "libgvplugin_core.so.6 core {\n\tdevice {\n\t\tdot:dot 1\n\t\tmp:mp -1\n\t}\n\trender {\n\t\tdot 1\n\t}\n}\n"
        "libgvplugin_dot_layout.so.6 dot_layout {\n\tlayout {\n\t\tdot 0\n\t\tosage 0\n\t}\n}\n"
    )


def test_root_without_graphviz_gets_nothing() -> None:
    """No package of most images has plugins of it."""
    assert graphviz.list_plugins(Entries({"usr/lib/x/libc.so.6": file(b"")})).items == {}
