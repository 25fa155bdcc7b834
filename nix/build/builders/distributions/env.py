"""Builder: one environment from many unpacked wheels, by symbolic links; a folder of one wheel alone is one link."""

from pathlib import Path

import attrs

VENV = "opt/venv"


def merge(sources: list[Path], target: Path) -> None:
    """Link everything in `sources` into the folder `target`; where two have the same file, the later one wins.

    Args:
        sources: Folders to lay over one another.
        target: A folder that does not exist yet.
    """
    target.mkdir(parents=True)
    names = sorted({path.name for source in sources for path in source.iterdir()})
    for name in names:
        found = [source / name for source in sources if (source / name).exists() or (source / name).is_symlink()]
        folders = [path for path in found if path.is_dir() and not path.is_symlink()]
        if len(folders) > 1 and folders[-1] == found[-1]:
            merge(folders, target / name)
        else:
            (target / name).symlink_to(found[-1])


def main() -> None:
    """Build the derivation."""
    given = attrs.load()
    sources = [Path(source, "root", VENV) for source in given["sources"]]
    out = attrs.output(given) / "root" / VENV
    merge([source for source in sources if source.is_dir()], out)


if __name__ == "__main__":
    main()
