from __future__ import annotations

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_shell_scripts_are_clean() -> None:
    """Shellcheck has nothing to say about any shell script of the repository."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    paths = [name for name in filter(None, listed.split("\0")) if (ROOT / name).is_file() and "{{" not in name]
    scripts = [
        name
        for name in paths
        if re.match(rb"#!/bin/(ba)?sh|#!/usr/bin/env bash|# shellcheck", (ROOT / name).read_bytes())
    ]
    assert "nixw" in scripts
    done = subprocess.run(
        ["shellcheck", "--external-sources", *scripts], cwd=ROOT, check=False, capture_output=True, text=True
    )
    assert done.stdout == ""
