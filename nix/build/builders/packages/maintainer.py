"""Maintainer scripts that register alternatives, run for what they register, in a root where nothing else happens.

To read them is not enough, since they loop over variables. No program of the packages runs, so that those of another
platform's packages register the same: what a script calls is a stand-in, a harmless program, or does nothing.
"""

import re
from pathlib import Path
from typing import Any

import build_root
import deb
import debian
from entries import Entries, Entry, file, link
from root import WRITABLE, Root

_PLACE = "/maintainer"
_MARK = b"update-alternatives"
_CONFMODULE = "usr/share/debconf/confmodule"
_SHELL = re.compile(rb"#! ?/(usr/)?bin/(ba|da)?sh\b")
_PROGRAMS = (
    "[ awk basename cat chmod cp cut date dirname echo egrep env expr false fgrep find grep head id ln ls mkdir mktemp "
    "mv printf pwd readlink realpath rm rmdir sed seq sort tail tee test touch tr true uname uniq wc which xargs"
)
_SHELLS = ("bash", "dash", "sh")
_STAND_INS = {"dpkg": "dpkg", "dpkg-architecture": "dpkg", "update-alternatives": "update-alternatives"}
_LARGE = 65536
"""Size in bytes from which a file is only there, without its content: no script reads it."""


def find_calls(packages: list[Path], root: Entries, given: dict[str, Any]) -> dict[Path, list[list[str]]]:
    """Return the calls of update-alternatives by the scripts of packages, each a list of its arguments.

    Args:
        packages: The `.deb` files, in the order in which they would be configured.
        root: The files of them all.
        given: `seed` (the folder of the static programs) and `standIns` (the programs that stand in for others).
    """
    control = {path: deb.read_control(path) for path in packages}
    scripts = {path: files["postinst"] for path, files in control.items() if _MARK in files.get("postinst", b"")}
    if not scripts:
        return {}
    work = Path.cwd() / "maintainer"
    shared = _prepare(work, given)
    architectures = {_field(files["control"], "Architecture") for files in control.values()} - {"all"}
    env = {
        # A function, which the shell calls for programs that are not there: they do nothing.
        "BASH_FUNC_command_not_found_handle%%": "() { return 0; }",
        "DEBIAN_FRONTEND": "noninteractive",
        "DPKG_MAINTSCRIPT_ARCH": min(architectures, default="all"),
        "DPKG_MAINTSCRIPT_NAME": "postinst",
        "LC_ALL": "C",
        "MULTIARCH": debian.triplet(root),
        "PATH": f"{_PLACE}/bin",
    }
    tree, binds = _write_tree(root, work, given)
    top = build_root.assemble(tree, binds={**binds, _PLACE: shared}, env=env)
    found = {}
    for path, script in scripts.items():
        (shared / "calls").write_bytes(b"")
        _run(top, shared, script, name=_field(control[path]["control"], "Package"), seed=given["seed"])
        found[path] = parse_calls((shared / "calls").read_bytes())
    top.give_back()
    return found


def parse_calls(noted: bytes) -> list[list[str]]:
    """Read what the stand-in has noted: the number of words of each call, and the words."""
    words = noted.decode().split("\0")[:-1]
    calls = []
    while words:
        count = int(words[0]) + 1
        calls.append(words[1:count])
        words = words[count:]
    return calls


def _prepare(work: Path, given: dict[str, Any]) -> Path:
    """Make the folder that scripts see as `/maintainer`."""
    programs = work / "shared/bin"
    programs.mkdir(parents=True)
    for name in _PROGRAMS.split():
        (programs / name).symlink_to(f"{given['seed']}/bin/busybox")
    for name in _SHELLS:
        (programs / name).symlink_to(f"{given['seed']}/bin/bash")
    for name, stand_in in _STAND_INS.items():
        (programs / name).symlink_to(f"{given['standIns']}/{stand_in}")
    return programs.parent


def _write_tree(root: Entries, work: Path, given: dict[str, Any]) -> tuple[Path, dict[str, Path]]:
    """Write a copy of the root for scripts to look at and to write to; return its links, and its folders by place."""
    seen = Entries({path: _shorten(entry) for path, entry in root.items.items()})
    for name in (*_SHELLS, *_STAND_INS):
        seen.add(f"usr/bin/{name}", link(f"{_PLACE}/bin/{name}"))
    seen.add(_CONFMODULE, file(Path(given["standIns"], "confmodule")))
    folders = work / "folders"
    folders.mkdir()
    seen.write_tree(folders)
    tree = work / "links"
    tree.mkdir()
    for path in [path for path in folders.iterdir() if path.is_symlink()]:
        path.rename(tree / path.name)
    places = {f"/{path.name}": path for path in folders.iterdir()}
    return tree, {place: path for place, path in places.items() if place not in (*WRITABLE, "/dev", "/proc")}


def _shorten(entry: Entry) -> Entry:
    """Take away the content of programs, of which none runs, and of large files."""
    if entry.content is None:
        return entry
    content = entry.read()
    kept = not entry.mode & 0o100 and len(content) < _LARGE
    return entry._replace(content=content if kept else b"")


def _run(root: Root, shared: Path, script: bytes, *, name: str, seed: str) -> None:
    """Configure one package as dpkg does when it was not there before (deb-postinst(5))."""
    if not _SHELL.match(script):
        print(f"{name}: its postinst is no shell script, and what it registers is not known")
        return
    (shared / "postinst").write_bytes(script)
    posix = [] if script.startswith((b"#!/bin/bash", b"#! /bin/bash", b"#!/usr/bin/bash")) else ["--posix"]
    argv = [f"{seed}/bin/bash", *posix, f"{_PLACE}/postinst", "configure", ""]
    if (code := root.run(argv, env={"DPKG_MAINTSCRIPT_PACKAGE": name})) != 0:
        print(f"{name}: its postinst ended with {code}; what it had registered counts")


def _field(control: bytes, name: str) -> str:
    """Return a field of a package's control file."""
    found = re.search(rf"^{name}: (\S+)", control.decode(), re.MULTILINE)
    return found[1] if found else ""
