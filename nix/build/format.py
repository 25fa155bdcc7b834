"""Format the repository's Python files in place: `nix fmt`, or `nix fmt -- PATH …`."""

import os
import sys
from pathlib import Path


def main() -> None:
    """Become ruff, which lies beside the interpreter."""
    ruff = Path(sys.executable).with_name("ruff")
    os.execv(ruff, [str(ruff), "format", *(sys.argv[1:] or ["."])])  # noqa: S606 - no shell is meant


main()
