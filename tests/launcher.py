"""A launcher for builders that runs programs on this machine instead of in a root."""

from __future__ import annotations

import subprocess
from typing import IO


class Here:
    """Stands in for `root.Root`; notes the working directories and stays where it is."""

    def __init__(self) -> None:
        self.folders: set[str] = set()

    def popen(
        self, argv: list[str], *, cwd: str = "/", env: dict[str, str] | None = None, output: IO[bytes] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a program."""
        self.folders.add(cwd)
        return subprocess.Popen(argv, env=env, stdout=output, stderr=subprocess.STDOUT)

    def run(
        self, argv: list[str], *, cwd: str = "/", env: dict[str, str] | None = None, output: IO[bytes] | None = None
    ) -> int:
        """Run a program to its end."""
        return self.popen(argv, cwd=cwd, env=env, output=output).wait()
