"""Builder: an unpacked root of Debian packages, for programs to run from during the build."""

from pathlib import Path

import alternatives
import attrs
import caches
import debian
import maintainer


def main() -> None:
    """Build the derivation."""
    given = attrs.load()
    out = attrs.output(given)
    out.mkdir()
    root = debian.skeleton()
    packages = [Path(path) for path in given["debs"]]
    root.items.update(debian.entries(packages).items)
    calls = maintainer.find_calls(packages, root, given["maintainer"])
    root.items.update(alternatives.make_links([call for found in calls.values() for call in found], root).items)
    root.items.update(caches.make(root).items)
    if given.get("bytecode"):
        root.items.update(debian.bytecode(debian.digests(root), Path(given["bytecode"])).items)
    root.write_tree(out)


if __name__ == "__main__":
    main()
