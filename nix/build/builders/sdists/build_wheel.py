"""Call an sdist's build backend (PEP 517) in this process; runs inside the build root, in the sdist's folder.

Argument: the folder for the wheel. Without a `pyproject.toml` the backend is setuptools' legacy one, as for pip.
"""

import importlib
import os
import sys
import tomllib
from pathlib import Path
from typing import Any


def backend_of(source: Path) -> tuple[str, list[str]]:
    """Return the backend's object reference and its in-tree path from `pyproject.toml`."""
    file = source / "pyproject.toml"
    system = tomllib.loads(file.read_text()).get("build-system", {}) if file.exists() else {}
    return system.get("build-backend", "setuptools.build_meta:__legacy__"), system.get("backend-path", [])


def load_backend(source: Path, reference: str, paths: list[str]) -> Any:  # noqa: ANN401 - backends share no type
    """Import a backend, from folders of the sdist where there are any, and return the object that has the hooks."""
    sys.path[:0] = [str(source / path) for path in paths]
    module, _, attribute = reference.partition(":")
    backend: Any = importlib.import_module(module)
    for name in filter(None, attribute.split(".")):
        backend = getattr(backend, name)
    return backend


def main(target: str) -> None:
    """Build the wheel."""
    source = Path.cwd()
    backend = load_backend(source, *backend_of(source))
    # Zip files cannot hold an earlier year.
    os.environ.setdefault("SOURCE_DATE_EPOCH", "315532800")
    backend.build_wheel(target)


if __name__ == "__main__":
    main(sys.argv[1])
