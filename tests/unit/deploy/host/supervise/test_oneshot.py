from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tests.unit.deploy.host.state.test_revisions import make

from estiba.deploy.host.state.folder import StateFolder
from estiba.deploy.host.supervise import oneshot

if TYPE_CHECKING:
    from pathlib import Path


def test_program_is_listened_to_while_it_runs(tmp_path: Path) -> None:
    """What it has said so far is passed on, also half a line, and nothing of an earlier run."""
    folder = StateFolder(path=tmp_path / "state", uid=os.geteuid())
    folder.prepare()
    closure = make(tmp_path / "one")
    closure.starter.parent.mkdir(parents=True, exist_ok=True)
    go_on = tmp_path / "go-on"
    script = f"#!/bin/sh\nprintf 'Applying one...'\nuntil [ -e {go_on} ]; do sleep 0.05; done\necho ' OK'\n"
    closure.starter.write_text(script)
    closure.starter.chmod(0o755)
    (folder.path / "logs" / "migrate.log").write_text("before\n")
    heard: list[str] = []

    def hear(said: str) -> None:
        heard.append(said)
        if said:
            go_on.touch()

    done = oneshot.run(folder, closure, "migrate", lambda _: {}, limit=60, on_output=hear)

    assert (done.code, done.output) == (0, "Applying one... OK\n")
    assert heard[-1] == "Applying one..."


def test_program_is_listened_to_once_more_when_its_time_is_over(tmp_path: Path) -> None:
    """The last second may have the name of the migration that took too long."""
    folder = StateFolder(path=tmp_path / "state", uid=os.geteuid())
    folder.prepare()
    closure = make(tmp_path / "one")
    closure.starter.parent.mkdir(parents=True, exist_ok=True)
    closure.starter.write_text("#!/bin/sh\ntrap 'echo ended; exit' TERM\nwhile :; do sleep 0.05; done\n")
    closure.starter.chmod(0o755)
    heard: list[str] = []

    done = oneshot.run(folder, closure, "migrate", lambda _: {}, limit=1.5, on_output=heard.append)

    assert (done.code, heard[-1].splitlines()[-1]) == (None, "ended")


def test_log_that_has_grown_is_put_aside(tmp_path: Path) -> None:
    """Logs of tasks are read by nobody but the one who looks for a fault, and must not fill the disk."""
    # As whoever runs the tests, for nobody else gets into a folder of theirs.
    folder = StateFolder(path=tmp_path / "state", uid=os.geteuid())
    folder.prepare()
    closure = make(tmp_path / "one")
    closure.starter.parent.mkdir(parents=True, exist_ok=True)
    closure.starter.write_text("#!/bin/sh\necho done\n")
    closure.starter.chmod(0o755)
    log = folder.path / "logs" / "manage.log"
    log.write_bytes(b"x" * (2**22 + 1))

    said = [oneshot.run(folder, closure, "manage", lambda _: {}, limit=10).output for _ in range(2)]

    assert said == ["done\n", "done\n"]
    assert log.read_text() == "done\ndone\n"
    assert log.with_suffix(".log.1").stat().st_size == 2**22 + 1
