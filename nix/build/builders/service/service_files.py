"""The service's own files at their place in the image, with their bytecode."""

import shutil
from pathlib import Path
from typing import Any

import compiler
import layer
import overlay
import tree_layer
from service_root import APP


def install(source: Path, out: Path, interpreter: dict[str, Any], *, catalogues: str | None = None) -> None:
    """Copy the service's files below `out`/root, writable by their owner alone, and compile them.

    Args:
        source: The files.
        out: Folder to make.
        interpreter: The interpreter that compiles, see `compiler.argv`.
        catalogues: A folder with its compiled message catalogues, where they are not among its files.
    """
    top = out / "root" / APP[1:]
    shutil.copytree(source, top, symlinks=True, copy_function=shutil.copy)
    for path in [top, *top.rglob("*")]:
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o755)
    if catalogues:
        overlay.fill(top, Path(catalogues))
    compiler.compile_tree(interpreter, top, APP)


def write_layer(source: Path, target: Path, description: dict[str, Any]) -> None:
    """Write a layer of `source`/root, whose files change from release to release under the same names."""
    found = tree_layer.entries([source])
    found.tells_contents = True
    layer.write(found, target, **description)
