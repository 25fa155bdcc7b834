from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tests.unit.test_deploy_shelf import make

from estiba.deploy import task
from estiba.deploy.folder import Folder

if TYPE_CHECKING:
    from pathlib import Path


def test_log_that_has_grown_is_put_aside(tmp_path: Path) -> None:
    """Logs of tasks are read by nobody but the one who looks for a fault, and must not fill the disk."""
    # As whoever runs the tests, for nobody else gets into a folder of theirs.
    folder = Folder(path=tmp_path / "state", uid=os.geteuid(), gid=os.getegid())
    folder.prepare()
    release = make(tmp_path / "one")
    release.starter.parent.mkdir(parents=True, exist_ok=True)
    release.starter.write_text("#!/bin/sh\necho done\n")
    release.starter.chmod(0o755)
    log = folder.path / "logs" / "manage.log"
    log.write_bytes(b"x" * (2**22 + 1))

    said = [task.run(folder, release, "manage", lambda _: {}, limit=10).output for _ in range(2)]

    assert said == ["done\n", "done\n"]
    assert log.read_text() == "done\ndone\n"
    assert log.with_suffix(".log.1").stat().st_size == 2**22 + 1
