"""The root file system in which a service's own commands run during the build."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import build_root
import standard_library
from root import Root

APP = "/app"
"""Where the service's files are in it, and in the image."""

MEDIA_ROOT = f"{APP}/media"
"""Where uploads are unless settings say otherwise, and they cannot be asked before they load."""

_READ_ONLY = 0o555


def assemble(
    given: dict[str, Any], application: Path, compiler: dict[str, Any], binds: dict[str, Path] | None = None
) -> Root:
    """Put it together from store paths, with Python's library compiled.

    Where programs run there are folders of data, which settings may make folders in as they load; so there are here.

    Args:
        given: `tree` (an unpacked Debian root), `frame` (the Python environment), `environment` (variables) and maybe
            `persist`, places of data beside uploads, for a service whose files are read-only.
        application: The service's files.
        compiler: The interpreter, see `compiler.argv`.
        binds: What else is to be seen where.
    """
    tree = Path(given["tree"])
    data = [MEDIA_ROOT, *given["persist"]] if "persist" in given else []
    return build_root.assemble(
        tree,
        binds={
            **standard_library.binds(tree, compiler),
            "/opt": Path(given["frame"], "root/opt"),
            **lay(application, data, Path.cwd() / "data"),
            **(binds or {}),
        },
        env=given["environment"],
    )


def lay(application: Path, data: Iterable[str], top: Path) -> dict[str, Path]:
    """Return what to bind where, so that the service's files and folders of data are seen.

    Args:
        application: The service's files.
        data: Places of data, which begin with the files that the service has there itself.
        top: A folder to make for what is bound and not in the store.
    """
    places = sorted(set(data))
    top.mkdir()
    inside = [place.removeprefix(f"{APP}/") for place in places if place.startswith(f"{APP}/")]
    elsewhere = {place: top / place[1:].replace("/", "-") for place in places if not place.startswith(f"{APP}/")}
    for folder in elsewhere.values():
        folder.mkdir()
    return elsewhere | (_lay(application, inside, top / "app", APP) if inside else {APP: application})


def _lay(source: Path, data: list[str], top: Path, place: str) -> dict[str, Path]:
    """Make a folder that has something to bind on for all in another one, and its folders of data; return the binds."""
    top.mkdir()
    binds = {place: top}
    firsts = {one.partition("/")[0] for one in data}
    for path in source.iterdir() if source.is_dir() else ():
        here = top / path.name
        if path.is_symlink():
            here.symlink_to(os.readlink(path))  # noqa: PTH115 - Path.readlink normalises the text
        elif path.name not in firsts:
            binds[f"{place}/{path.name}"] = path
            if path.is_dir():
                here.mkdir()
            else:
                here.touch()
    for first in sorted(firsts):
        here, below = top / first, [one.partition("/")[2] for one in data if one.startswith(f"{first}/")]
        if here.is_symlink():
            continue
        if first in data:
            _begin(here, source / first)
            binds[f"{place}/{first}"] = here
        else:
            binds |= _lay(source / first, below, here, f"{place}/{first}")
    top.chmod(_READ_ONLY)
    return binds


def _begin(here: Path, source: Path) -> None:
    here.mkdir()
    if source.is_dir():
        # Hardly any service has files there, and collecting starts before anything else is imported.
        import overlay  # noqa: PLC0415

        overlay.fill(here, source)
