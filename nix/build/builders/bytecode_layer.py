"""Builder: a layer of bytecode for the standard library in some Debian packages.

It is a layer of its own, so that the packages' layer need not wait for the compiler.
"""

from pathlib import Path

import attrs
import debian
import layer
from entries import Entries


def entries(packages: list[Path], compiled: Path) -> Entries:
    """Return the bytecode of those sources that are the same as the compiled ones; another platform's few are not.

    Args:
        packages: The `.deb` files with the sources.
        compiled: An interpreter's tree with its `index.json`.
    """
    root = debian.entries(packages)
    sources = set(root.items)
    debian.add_bytecode(root, compiled)
    return Entries({path: entry for path, entry in root.items.items() if path not in sources})


def main() -> None:
    """Build the derivation."""
    given = attrs.load()
    files = entries([Path(path) for path in given["debs"]], Path(given["bytecode"]))
    layer.write(files, attrs.output(given), **given["layer"])


if __name__ == "__main__":
    main()
