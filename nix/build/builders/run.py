"""Runs a builder, named by its path from here; builders find each other's modules as if all lay in one folder."""

import runpy
import sys
from pathlib import Path

top = Path(__file__).parent
# In the order of their names, so that the same modules are found on every file system.
sys.path[:1] = [str(top), *sorted(str(path) for path in top.iterdir() if path.is_dir())]
runpy.run_path(str(top / sys.argv.pop(1)), run_name="__main__")
