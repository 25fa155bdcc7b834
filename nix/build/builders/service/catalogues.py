"""Builder: a service's message catalogues, compiled by GNU msgfmt as Django's `compilemessages` does it."""

import subprocess
import sys
from pathlib import Path

import attrs
import overlay

SOURCE, COMPILED = ".po", ".mo"


def find_uncompiled(top: Path) -> list[str]:
    """Return the catalogues that have no compiled file beside them, relative to a folder."""
    return sorted(
        str(path.relative_to(top)) for path in top.rglob(f"*{SOURCE}") if not path.with_suffix(COMPILED).exists()
    )


def compile_all(msgfmt: str, top: Path) -> list[str]:
    """Compile the catalogues of a folder, and return those that msgfmt refuses, which it says why itself.

    Args:
        msgfmt: Path of the program.
        top: The folder.
    """
    refused = []
    for name in find_uncompiled(top):
        # Strings whose placeholders differ from those of the original are errors, as for Django.
        options = ["--check-format", "--endianness=little", f"--output-file={Path(name).with_suffix(COMPILED)}"]
        if subprocess.run([msgfmt, *options, name], cwd=top, check=False).returncode:
            refused.append(name)
    return refused


def main() -> None:
    """Build the derivation."""
    given = attrs.load()
    out = attrs.output(given)
    overlay.fill(out, Path(given["source"]))
    if refused := compile_all(f"{given['gettext']}/bin/msgfmt", out):
        sys.exit(f"msgfmt does not compile {', '.join(refused)}")


if __name__ == "__main__":
    main()
