"""Git repositories with packages, and a server of them on a loopback port."""

from __future__ import annotations

import contextlib
import functools
import http.server
import subprocess
import threading
from typing import TYPE_CHECKING

from tests.djangoproject import lay

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_WHO = ("-c", "user.name=Tests", "-c", "user.email=tests@localhost")


def package(name: str, code: str, **project: object) -> dict[str, str]:
    """Return the files of a package of one module."""
    lines = [f'name = "{name}"', *(f"{key} = {value!r}" for key, value in {"version": "1.0", **project}.items())]
    system = '[build-system]\nrequires = ["flit_core>=3.11,<4"]\nbuild-backend = "flit_core.buildapi"\n'
    module = name.replace("-", "_")
    return {
        "pyproject.toml": "\n".join(["[project]", *lines, f'description = "{name}"', "", system]),
        f"{module}/__init__.py": code,
    }


def commit(folder: Path, files: Mapping[str, str | bytes]) -> str:
    """Write files into a repository, which is created first, and return the ID of the commit."""
    lay(folder, files)
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message=change")
    return git(folder, "rev-parse", "HEAD")


def git(folder: Path, *words: str) -> str:
    """Run git in a folder and return what it prints."""
    argv = ["git", *_WHO, *words]
    return subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=True).stdout.strip()


@contextlib.contextmanager
def serve(folder: Path) -> Iterator[str]:
    """Serve the repositories in a folder by HTTP, as a plain web server does; yield the address of the folder."""
    for head in folder.glob("*/.git/HEAD"):
        git(head.parent, "update-server-info")
    handler = functools.partial(_Handler, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name it has there
        """Say nothing."""


def write_ssh(path: Path) -> Path:
    """Write a program in the place of ssh, which runs the command of git on this machine: `HOST COMMAND`."""
    path.write_text('#!/bin/sh\nfor command; do :; done\nexec sh -c "$command"\n')
    path.chmod(0o755)
    return path
