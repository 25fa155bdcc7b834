"""Builder: an unpacked root of Debian packages, for programs to run from during the build."""

from pathlib import Path

import attrs
import debian


def main() -> None:
    """Build the derivation."""
    given = attrs.load()
    out = attrs.output(given)
    out.mkdir()
    root = debian.skeleton()
    root.items.update(debian.entries([Path(path) for path in given["debs"]]).items)
    if given.get("bytecode"):
        root.items.update(debian.bytecode(debian.digests(root), Path(given["bytecode"])).items)
    root.write_tree(out)


if __name__ == "__main__":
    main()
