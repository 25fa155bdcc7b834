"""The standard library in a Debian root, which has no bytecode: it is taken from the interpreter that was compiled."""

import os
from pathlib import Path
from typing import Any


def binds(tree: Path, compiler: dict[str, Any]) -> dict[str, Path]:
    """Return what to bind where in the root, so that Python need not compile its library at every start.

    Nothing, where packages have put more into the library's folder than the interpreter's own ones.

    Args:
        tree: The unpacked root.
        compiler: `tree` and `python`, see `compiler.argv`.
    """
    place = f"usr/lib/python{compiler['python']}"
    compiled = Path(compiler["tree"], place)
    return {} if _files(str(tree / place)) - _files(str(compiled)) else {f"/{place}": compiled}


def _files(top: str) -> set[str]:
    return {f"{where[len(top) :]}/{name}" for where, _, names in os.walk(top) for name in names}
