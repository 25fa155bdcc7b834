"""Builder: a layer of store paths and all that they refer to, at the same paths in the image."""

from pathlib import Path

import attrs
import layer
from entries import Entries, from_path


def entries(paths: list[Path]) -> Entries:
    """Return the files of store paths, each a folder, a file or a link."""
    root = Entries()
    for path in paths:
        place = str(path).lstrip("/")
        root.add(place, from_path(path))
        if path.is_dir() and not path.is_symlink():
            root.add_tree(path, place)
    return root


def main() -> None:
    """Build the derivation."""
    given = attrs.load()
    # Nix puts the closure's records where the graph was asked for (Nix manual, "exportReferencesGraph").
    paths = sorted(Path(record["path"]) for record in given["closure"])
    layer.write(entries(paths), attrs.output(given), **given["layer"])


if __name__ == "__main__":
    main()
