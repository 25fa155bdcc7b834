"""The root file system in which a service's own commands run during the build."""

from pathlib import Path
from typing import Any

import build_root
import standard_library
from root import Root

APP = "/app"
"""Where the service's files are in it, and in the image."""


def assemble(
    given: dict[str, Any], application: Path, compiler: dict[str, Any], binds: dict[str, Path] | None = None
) -> Root:
    """Put it together from store paths, with Python's library compiled.

    Args:
        given: `tree` (an unpacked Debian root), `frame` (the Python environment) and `environment` (variables).
        application: The service's files.
        compiler: The interpreter, see `compiler.argv`.
        binds: What else is to be seen where.
    """
    tree = Path(given["tree"])
    return build_root.assemble(
        tree,
        binds={
            **standard_library.binds(tree, compiler),
            "/opt": Path(given["frame"], "root/opt"),
            APP: application,
            **(binds or {}),
        },
        env=given["environment"],
    )
