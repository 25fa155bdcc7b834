"""What a deployment on this machine refuses before it changes anything."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

from tests.services import sites

if TYPE_CHECKING:
    from pathlib import Path


def test_taken_port_is_named_with_its_holder(harbour: Path, tmp_path: Path) -> None:
    """A port that another program listens on is an error before anything is started."""
    site = sites.copy(harbour, tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", site.port))
        taken.listen()
        code, said = site.fail("deploy")

    assert code == 17
    assert f"port {site.port} of 127.0.0.1 is taken by" in said
    assert f"process {os.getpid()}" in said
    assert site.status()["workloads"] == []


def test_data_of_another_postgresql_is_refused(harbour: Path, tmp_path: Path) -> None:
    """A data folder that this PostgreSQL cannot read is left alone, and the message says why."""
    site = sites.copy(harbour, tmp_path)
    data = site.state / "data" / "postgresql"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("9\n")

    code, said = site.fail("deploy")

    assert code == 17
    assert f"holds data of PostgreSQL 9, and this release brings PostgreSQL {sites.POSTGRESQL}" in said
    assert [path.name for path in data.iterdir()] == ["PG_VERSION"]


def test_folder_that_cannot_be_written_is_an_error(harbour: Path, tmp_path: Path) -> None:
    """Where the target's folder cannot be, the message names it and the setting."""
    site = sites.copy(harbour, tmp_path)
    site.state.parent.mkdir(exist_ok=True)
    site.state.write_text("in the way")

    code, said = site.fail("deploy")

    assert code == 17
    assert f"{site.state} cannot be written to" in said
    assert "set folder in [tool.estiba.targets.local]" in said
