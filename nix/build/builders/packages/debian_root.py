"""Builder: the Debian packages of an image: their layers, and the same files as a root for programs of the build.

All come from one derivation, since unpacking is most of the work. The layers keep modes that the Nix store cannot hold.
"""

import json
import sys
from pathlib import Path
from typing import Any

import alternatives
import attrs
import caches
import debian
import layer
import libraries
import maintainer
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


def configure(layers: dict[str, Entries], given: dict[str, Any]) -> None:
    """Add the links of Debian's alternatives, and caches such as lists of plugins, to the layers that change them.

    Args:
        layers: The files of each layer, lowest first.
        given: Attributes of the derivation.
    """
    root = _join(layers)
    packages = {name: [Path(path) for path in given["layers"][name]["debs"]] for name in layers}
    calls = maintainer.find_calls([path for paths in packages.values() for path in paths], root, given["maintainer"])
    below, lower, known = Entries(), Entries(), []
    for name, files in layers.items():
        below.items.update(files.items)
        known += [call for path in packages[name] for call in calls.get(path, ())]
        made = alternatives.make_links(known, below)
        made.items.update(caches.make(below).items)
        files.items.update({path: entry for path, entry in made.items.items() if lower.items.get(path) != entry})
        lower.items.update(made.items)


def refuse_missing(root: Entries, allowed: list[str]) -> None:
    """Stop if something in the root would not find a shared library when it is loaded."""
    if lines := libraries.explain(libraries.find_missing(root), root, allowed):
        sys.exit(
            "the image would lack shared libraries:\n  - "
            + "\n  - ".join(lines)
            + "\nadd the Debian packages that have them to [tool.estiba] debian (apt-file search NAME finds one), or, "
            'where the service does not use what needs them: missing-libraries = {PACKAGE = "allow"}'
        )


def _join(layers: dict[str, Entries]) -> Entries:
    return Entries({path: entry for files in layers.values() for path, entry in files.items.items()})


def main() -> None:
    """Build the derivation."""
    given = attrs.load()
    layers = entries(given["layers"])
    configure(layers, given)
    root = _join(layers)
    refuse_missing(root, given["missingLibraries"])
    for name, files in layers.items():
        layer.write(files, attrs.output(given, name), **given["layers"][name]["layer"])
    attrs.output(given, "sources").write_text(json.dumps(debian.digests(root), indent=0, sort_keys=True))
    if "tree" in given["outputs"]:
        tree = attrs.output(given, "tree")
        tree.mkdir()
        root.write_tree(tree)


if __name__ == "__main__":
    main()
