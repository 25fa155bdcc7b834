"""Builder: a service's files after its own commands have worked on them, in its own root and without a network."""

import shutil
import sys
from pathlib import Path

import attrs
import entries
import overlay
import service_root
import stand_ins
from root import Root

_PYTHON = "/opt/venv/bin/python"
_GZIP = b"\x1f\x8b\x08"
_HEADER_CHECKSUM = 0x02


def command(words: list[str], manage: str) -> list[str]:
    """Return the program for one command of `[tool.estiba] prepare`: one of manage.py, or a script of the service."""
    return words if words[0].endswith(".py") else [manage, *words]


def run_all(root: Root, commands: list[list[str]]) -> None:
    """Run programs one after another; leave where one fails, after what it said itself."""
    for words in commands:
        code = root.run([_PYTHON, *words], cwd=service_root.APP)
        if code != 0:
            sys.exit(
                f"{' '.join(words)} failed with exit code {code}; what [tool.estiba] prepare names runs without a "
                "network and a database, and with the values of [tool.estiba] env"
            )


def remove_bytecode(top: Path) -> None:
    """Remove what Python writes beside sources where a command lets it; it holds times, and is compiled later."""
    for path in sorted(top.rglob("__pycache__")):
        shutil.rmtree(path)


def clear_times(top: Path) -> None:
    """Clear the time of writing in gzip files that commands have written (RFC 1952, MTIME); those of the source stay.

    What compresses static files leaves it there, django-compressor for one, and each build would have another.
    """
    for path in sorted(top.rglob("*.gz")):
        if path.is_symlink() or path.stat().st_mtime == entries.STORE_TIME:
            continue
        with path.open("r+b") as file:
            magic, flags = file.read(3), file.read(1)
            # A checksum of the header, which hardly anything writes, would have to be made anew.
            if magic == _GZIP and not flags[0] & _HEADER_CHECKSUM:
                file.seek(4)
                file.write(bytes(4))


def main() -> None:
    """Build the derivation."""
    given = attrs.load()
    out = attrs.output(given)
    stand_ins.refuse(Path(given["source"]))
    overlay.fill(out, Path(given["source"]))
    if given["catalogues"]:
        overlay.fill(out, Path(given["catalogues"]))
    root = service_root.assemble(given, out, given["compiler"])
    run_all(root, [command(words, given["manage"]) for words in given["commands"]])
    root.give_back()
    remove_bytecode(out)
    clear_times(out)


if __name__ == "__main__":
    main()
