"""Builder: one environment from many unpacked wheels, by symbolic links; a folder of one wheel alone is one link."""

import sys
from pathlib import Path

import attrs

VENV = "opt/venv"

_CODE = (".py", ".so")
_COMMON = ("benchmarks", "docs", "examples", "scripts", "test", "tests")
"""Folders that many distributions install by mistake; nothing imports them in production."""


def merge(sources: list[Path], target: Path) -> None:
    """Link everything in `sources` into the folder `target`; where two have the same file, the later one wins.

    Code and programs are no such files: a distribution that replaces those of another one stops the build.

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
            refuse_replacement(found)
            (target / name).symlink_to(found[-1])


def refuse_replacement(found: list[Path]) -> None:
    """Stop if several distributions have code of one name and not of one content.

    Args:
        found: The same path in several unpacked wheels.
    """
    path = str(found[-1]).rpartition(f"/{VENV}/")[2]
    inside = path.partition("/site-packages/")[2]
    is_code = inside.endswith(_CODE) or path.startswith("bin/")
    if len(found) == 1 or not is_code or inside.partition("/")[0] in _COMMON:
        return
    if len({one.read_bytes() if one.is_file() else b"" for one in found}) > 1:
        names = " and ".join(dict.fromkeys(name_distribution(one) for one in found))
        sys.exit(
            f"{names} hold another {inside or path} each, of which only one could be used; require only one of them"
        )


def name_distribution(path: Path) -> str:
    """Return name and version of the distribution that a file of an unpacked wheel belongs to."""
    top = Path(str(path).rpartition(f"/{VENV}/")[0], VENV)
    found = sorted(one.name for one in top.glob("lib/python*/site-packages/*.dist-info"))
    return found[0].removesuffix(".dist-info").replace("-", " ") if found else top.parents[2].name


def main() -> None:
    """Build the derivation."""
    given = attrs.load()
    sources = [Path(source, "root", VENV) for source in given["sources"]]
    out = attrs.output(given) / "root" / VENV
    merge([source for source in sources if source.is_dir()], out)


if __name__ == "__main__":
    main()
