"""Compile a folder's Python sources with the interpreter that runs this file, the same way every time.

Arguments: the folder, the path that it will have in the image, and files and folders in it to leave alone. Works with
every Python from 3.11 on; the standard library's minimal part is enough.

Bytecode depends on what the same process compiled before, through the reference flags of marshal (CPython issue
78274): so there is one process per folder, with a fixed order and PYTHONHASHSEED=0. Its validity is a hash of the
source that is not checked at run time, since an image's sources never change (PEP 552).
"""

# The minimal part of the library has no pathlib.
# ruff: noqa: PTH114, PTH118

import gc
import os
import py_compile
import sys
from collections.abc import Iterable
from os.path import islink, join, relpath


def sources(top: str) -> list[str]:
    """List the Python files below a folder, sorted, relative to it; links are left to what they point to."""
    found = []
    for where, _, names in os.walk(top):
        paths = [join(where, name) for name in names if name.endswith(".py")]
        found += [relpath(path, top) for path in paths if not islink(path)]
    return sorted(found)


def compile_all(top: str, prefix: str, *left: str) -> None:
    """Compile every file but those in `left`; templates and files for other Pythons do not parse, and stay sources."""
    # Nothing of a compiler makes cycles, and looking for them takes a twentieth of the time.
    gc.disable()
    for relative in sources(top):
        if relative.startswith(left):
            continue
        try:
            py_compile.compile(
                join(top, relative),
                dfile=join(prefix, relative),
                doraise=True,
                invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
                quiet=1,
            )
        except (py_compile.PyCompileError, ValueError):
            continue


class Aside:
    """A process set aside that loads nothing else, and has each folder compiled by a copy of itself.

    What it compiles in one folder depends neither on this process nor on other folders. It ends with this process.
    """

    def __init__(self) -> None:
        reading, writing = os.pipe()
        self._child = os.fork()
        if self._child == 0:
            os.close(writing)
            with os.fdopen(reading) as orders:
                _serve(orders)
        os.close(reading)
        self._orders = os.fdopen(writing, "w")

    def compile(self, top: str, prefix: str) -> None:
        """Begin to compile a folder; the arguments are those of `compile_all`."""
        self._orders.write(f"{top}\0{prefix}\n")
        self._orders.flush()

    def finish(self) -> None:
        """Wait until all is compiled, and leave with exit code 1 if something failed."""
        self._orders.close()
        if os.waitpid(self._child, 0)[1] != 0:
            sys.exit(1)


def _serve(orders: Iterable[str]) -> None:
    children = []
    for order in orders:
        child = os.fork()
        if child == 0:
            compile_all(*order.removesuffix("\n").split("\0"))
            sys.exit()
        children.append(child)
    statuses = [os.waitpid(child, 0)[1] for child in children]
    sys.exit(any(statuses))


if __name__ == "__main__":
    compile_all(*sys.argv[1:])
