from __future__ import annotations

import dataclasses
import io
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.unit.deploy.server.test_jobs import NAME, REQUEST

from estiba import config
from estiba.deploy.server import command

if TYPE_CHECKING:
    import pytest

SOURCE = """
import dataclasses, sys
from pathlib import Path
from estiba import config
from estiba.deploy.server import command
command.main(sys.argv[1], ["run", sys.argv[2], "0"], dataclasses.replace(config.load(), state_dir=Path(sys.argv[3])))
"""


def test_request_that_arrived_begins_without_its_connection(tmp_path: Path) -> None:
    """Nobody reads its answer any more; the connection after it follows what it has begun."""
    program = tmp_path / "program"
    program.write_text('#!/bin/sh\ntouch "${0%/*}/begun-$1-$2"\n')
    program.chmod(0o755)
    there, here = os.pipe()
    os.close(there)
    words = [sys.executable, "-c", SOURCE, str(program), NAME, str(tmp_path)]
    subprocess.run(words, input=REQUEST, text=True, stdout=here, stderr=subprocess.PIPE, check=False)
    os.close(here)
    until = time.monotonic() + 60
    while not (tmp_path / f"begun-work-{NAME}").exists() and time.monotonic() < until:
        time.sleep(0.05)

    assert (tmp_path / f"begun-work-{NAME}").exists()


def test_command_that_is_not_there_does_not_succeed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing has run on the terminal, whose exit code says so."""
    monkeypatch.setattr("sys.stdin", io.StringIO())
    settings = dataclasses.replace(config.load(), state_dir=tmp_path)

    assert command.main("", ["attach", NAME], settings) == 17
    assert "request.json: No such file" in capsys.readouterr().err


def test_program_needs_no_package_but_python() -> None:
    """A server gets the modules of the library, and nothing that they might import beside them."""
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); import estiba.deploy.server.command, estiba.deploy.server.jobs"
    )
    source = str(Path(command.__file__).parents[3])
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script, source], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")
