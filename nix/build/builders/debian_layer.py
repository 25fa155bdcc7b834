"""Builder: a layer straight from Debian packages, so that modes which the Nix store cannot hold are kept."""

from pathlib import Path

import attrs
import debian
import layer
from entries import Entries


def entries(packages: list[Path], *, base: bool) -> Entries:
    """Return the files of a Debian layer.

    Args:
        packages: The `.deb` files.
        base: Whether this is the lowest layer, which has the skeleton too.
    """
    root = debian.skeleton() if base else Entries()
    root.items.update(debian.entries(packages).items)
    return root


def main() -> None:
    """Build the derivation."""
    given = attrs.load()
    files = entries([Path(path) for path in given["debs"]], base=given["base"])
    layer.write(files, attrs.output(given), **given["layer"])


if __name__ == "__main__":
    main()
