"""Program: manage.py of a service as its flake has it, for `nix run`; the caller's environment beats the service's."""

import json
import os
import sys
from pathlib import Path

given = json.loads(Path(__file__).resolve().parents[1].joinpath("settings.json").read_text())
manage = Path(given["source"], given["manage"])
# Root may write into the store, and Python would put its bytecode there.
own = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(manage.parent)}
argv = [sys.executable, str(manage), *sys.argv[1:]]
os.execve(sys.executable, argv, {**given["variables"], **os.environ, **own})  # noqa: S606 - no shell is the point
