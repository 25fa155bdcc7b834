"""Builder: a layer from the `root` folders of other derivations."""

from pathlib import Path

import attrs
import layer
from entries import Entries


def entries(sources: list[Path]) -> Entries:
    """Lay the roots over one another; the later one wins."""
    root = Entries()
    for source in sources:
        root.add_tree(source / "root")
    return root


def main() -> None:
    """Build the derivation."""
    given = attrs.load()
    layer.write(entries([Path(path) for path in given["sources"]]), attrs.output(given), **given["layer"])


if __name__ == "__main__":
    main()
