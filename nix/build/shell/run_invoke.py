"""Program: `invoke` or `estiba` in a shell whose PYTHONPATH belongs to the service and its other Python."""

import importlib
import json
import os
import sys
from pathlib import Path

given = json.loads(Path(__file__).resolve().parents[1].joinpath("settings.json").read_text())
of_the_service = os.environ.get("PYTHONPATH", "").split(os.pathsep)
# The first entry is this program's own folder.
sys.path[:] = [given["source"], *(entry for entry in sys.path[1:] if entry not in of_the_service)]

# Found on the path as it is now.
importlib.import_module(given["module"]).program.run()
