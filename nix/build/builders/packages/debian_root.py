"""Builder: the Debian packages of an image: their layers, and the same files as a root for programs of the build.

All come from one derivation, since unpacking is most of the work. The layers keep modes that the Nix store cannot hold.
"""

import json
from pathlib import Path
from typing import Any

import attrs
import debian
import layer
from entries import Entries


def entries(given: dict[str, Any]) -> dict[str, Entries]:
    """Return the files of each layer.

    Args:
        given: The layers: `debs` (the `.deb` files), and whether it is the `base`, which has the skeleton too.
    """
    found = {}
    for name, content in given.items():
        root = debian.skeleton() if content["base"] else Entries()
        root.items.update(debian.entries([Path(path) for path in content["debs"]]).items)
        found[name] = root
    return found


def main() -> None:
    """Build the derivation."""
    given = attrs.load()
    layers = entries(given["layers"])
    for name, files in layers.items():
        layer.write(files, attrs.output(given, name), **given["layers"][name]["layer"])
    root = Entries({path: entry for files in layers.values() for path, entry in files.items.items()})
    attrs.output(given, "sources").write_text(json.dumps(debian.digests(root), indent=0, sort_keys=True))
    if "tree" in given["outputs"]:
        tree = attrs.output(given, "tree")
        tree.mkdir()
        root.write_tree(tree)


if __name__ == "__main__":
    main()
