#!/opt/venv/bin/python -ISB
"""List the image's shared libraries as `ldconfig -p` does, which is how `ctypes.util.find_library` finds them.

Stands at /usr/sbin/ldconfig of a root where Debian's own one is not installed. There is no cache to print: the loader
looks into its default folders by itself, and so does this.
"""

# It runs while a service starts, and pathlib takes longer to load than all the rest.
# ruff: noqa: PTH112, PTH208

import os
import re
import sys

_TARGETS = {"x86_64": ("x86_64-linux-gnu", "x86-64"), "aarch64": ("aarch64-linux-gnu", "AArch64")}
_LIBRARY = re.compile(r"lib[^/]+\.so(\.\d+)*$")


def listing(usr: str, machine: str) -> list[str]:
    """Return the lines that name the libraries in the loader's default folders.

    Args:
        usr: The folder that they are in.
        machine: The kernel's name of the architecture.
    """
    triplet, kind = _TARGETS[machine]
    folders = [folder for folder in (f"{usr}/lib/{triplet}", f"{usr}/lib") if os.path.isdir(folder)]
    found = [(name, folder) for folder in folders for name in sorted(os.listdir(folder)) if _LIBRARY.match(name)]
    return [f"\t{name} (libc6,{kind}) => {folder}/{name}" for name, folder in found]


if __name__ == "__main__" and sys.argv[1:] == ["-p"]:
    lines = listing("/usr", os.uname().machine)
    print(f"{len(lines)} libs found", *lines, sep="\n")
