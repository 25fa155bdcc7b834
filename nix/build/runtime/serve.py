"""Run a web server in this process, by its own entry point, so that errors and requests of the service are heard of.

Usage: `serve.py SERVER ARGUMENT...`. A module of its own beside the package, because uvicorn starts its workers anew
with the main module of its parent, which has to do again what is done here.
"""

from __future__ import annotations

import importlib
import importlib.util
import operator
import sys
from pathlib import Path

# Last, so that no module of the service is hidden.
sys.path.append(str(Path(__file__).parent))
from estiba_runtime import conditional, tracebacks

_MAIN = {
    "daphne": ("daphne.cli", "CommandLineInterface.entrypoint"),
    "gunicorn": ("gunicorn.app.wsgiapp", "run"),
    "hypercorn": ("hypercorn.__main__", "main"),
    "uvicorn": ("uvicorn.main", "main"),
}
"""Module and function that the `console_scripts` of each server name."""

tracebacks.install()
conditional.install()

if __name__ == "__main__":
    server = sys.argv[1]
    module, path = _MAIN[server]
    package = importlib.util.find_spec(server)
    # The name of the script, as `python -m` gives it.
    sys.argv[:2] = [str(Path(package.origin).with_name("__main__.py")) if package and package.origin else server]
    sys.exit(operator.attrgetter(path)(importlib.import_module(module))())
