"""Program: what a command of another machine runs on a server, by SSH; see estiba.deploy.server."""

import json
import sys
from pathlib import Path

given = json.loads(Path(__file__).resolve().parents[1].joinpath("settings.json").read_text())
sys.path[:] = [given["source"], *sys.path[1:]]
# Nobody may write beside the modules, which lie in the store.
sys.pycache_prefix = str(Path.home() / ".cache/estiba/pycache")

from estiba import config  # noqa: E402 - found on the path as it is now
from estiba.deploy.server import command  # noqa: E402

sys.exit(command.main(__file__, sys.argv[1:], config.load()))
