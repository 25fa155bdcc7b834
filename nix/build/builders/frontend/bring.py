"""npm run on this machine, with its network, to bring packages into npm's cache; the request is JSON on standard input.

Keys of the request: `tree` (an unpacked Debian root with npm), `files` (path in the root to the file to be seen there),
`cache` (npm's cache folder), `project` (a folder to run in), `env` (the whole environment) and `specs` (packages).
Variables may hold credentials, and standard input is what neither a log nor another user sees.
"""

import json
import sys
from pathlib import Path

import build_root

_CACHE = "/npm"
_PROJECT = "/project"


def main() -> None:
    """Bring the packages."""
    given = json.load(sys.stdin)
    files = {place: Path(path) for place, path in given["files"].items()}
    binds = {**files, _CACHE: Path(given["cache"]), _PROJECT: Path(given["project"])}
    root = build_root.assemble(Path(given["tree"]), binds=binds, env=given["env"])
    options = [f"--cache={_CACHE}", "--ignore-scripts", "--logs-max=0", "--no-update-notifier"]
    try:
        code = root.run(["/usr/bin/npm", "cache", "add", *options, "--", *given["specs"]], cwd=_PROJECT)
    finally:
        root.give_back()
    sys.exit(code)


if __name__ == "__main__":
    main()
