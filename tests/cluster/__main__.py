"""A cluster from the command line: `python -m tests.cluster up|down|status [FOLDER]`."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.cluster import lifecycle
from tests.cluster.cluster import Cluster

from estiba import config
from estiba.errors import EstibaError


def _describe(folder: Path) -> dict[str, object]:
    if not lifecycle.is_up(folder):
        return {"folder": str(folder), "running": False}
    cluster = Cluster(folder=folder)
    return {
        "folder": str(folder),
        "running": True,
        "ready": cluster.is_ready(),
        "obstacle": cluster.obstacle,
        "kubeconfig": str(cluster.kubeconfig),
        "registry": cluster.registry,
        "enter": shlex.join(cluster.inside()),
    }


def main(command: str, folder: Path) -> None:
    """Do what is asked, and print what there is then."""
    begin = time.monotonic()
    try:
        if command == "up":
            lifecycle.up(folder)
        elif command == "down":
            lifecycle.down(folder)
    except (EstibaError, RuntimeError, pytest.skip.Exception, subprocess.CalledProcessError) as error:
        sys.exit(str(error))
    sys.stdout.write(json.dumps(_describe(folder), indent=2) + "\n")
    sys.stderr.write(f"{command}: {time.monotonic() - begin:.1f} s\n")


if __name__ == "__main__":
    given = sys.argv[2:] or [str(config.load().state_dir / "tests-cluster")]
    main(sys.argv[1], Path(given[0]).resolve())
