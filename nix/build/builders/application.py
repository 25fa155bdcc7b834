"""Builder: the service's own files with their bytecode."""

import shutil
from pathlib import Path

import attrs
import compiler

APP = "/app"
"""Where the application is in the image."""


def main() -> None:
    """Build the derivation."""
    given = attrs.load()
    top = attrs.output(given) / "root" / APP[1:]
    shutil.copytree(given["application"], top, symlinks=True, copy_function=shutil.copy)
    for path in [top, *top.rglob("*")]:
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o755)
    compiler.compile_tree(given["compiler"], Path(top), APP)


if __name__ == "__main__":
    main()
