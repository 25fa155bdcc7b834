from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from estiba.deploy.ssh import requirements
from estiba.deploy.ssh.connection import Connection
from estiba.errors import TargetError
from estiba.process import Completed, run

if TYPE_CHECKING:
    from pathlib import Path

FOUND = {
    "cores": "2",
    "memory": str(int(7.7 * 2**20)),
    "disk": str(100 * 2**20),
    "data": "",
    "system": "Debian GNU/Linux 13 (trixie)",
    "machine": "x86_64",
    "user": "ana",
    "nix": "possible",
    "systemd": "running",
    "store": "/nix",
    "lingers": "yes",
}


def missing(table: dict[str, object], postgresql: str = "17", **found: str) -> list[str]:
    """Return what a server lacks."""
    asked = requirements.parse(table)
    lines = requirements.compare(asked, {**FOUND, **found}, postgresql=postgresql, machine="x86_64")
    return [one.problem for one in lines if one.problem]


def test_server_that_has_all_lacks_nothing() -> None:
    """A provider's 8 GB are a little less for the kernel."""
    assert missing({"cores": 2, "memory": "8GB", "disk": "50GB", "postgresql": 14}) == []
    assert missing({}) == []


def test_each_lack_is_named() -> None:
    """With how much there is, or how to get it."""
    table = {"cores": 4, "memory": "16GB", "disk": "200GB", "postgresql": 18}
    lacks = missing(table, nix="", machine="aarch64")

    assert lacks[:3] == ["2 more CPU cores", "memory of 16 GB, there is 7.7 GB", "disk of 200 GB, there is 100.0 GB"]
    assert lacks[3].startswith("PostgreSQL 18 in the lock")
    assert lacks[4].startswith("Debian or Ubuntu with apt")
    assert lacks[5].startswith("a machine of kind x86_64")


@pytest.mark.parametrize(
    ("found", "word"),
    [
        ({"systemd": ""}, "systemd"),
        ({"store": ""}, "sudo install -d -o ana /nix"),
        ({"lingers": ""}, "enable-linger ana"),
    ],
    ids=["systemd", "store", "session"],
)
def test_what_a_reboot_takes_is_told(found: dict[str, str], word: str) -> None:
    """The first of them, as one needs the other."""
    (lack,) = missing({}, **found)

    assert word in lack


def test_data_of_another_version_is_told() -> None:
    """Before a release is built that cannot read it."""
    (lack,) = missing({}, data="15")

    assert lack.startswith("PostgreSQL 15 in the lock")


@pytest.mark.parametrize(
    "table",
    [{"cors": 4}, {"cores": "4"}, {"cores": True}, {"memory": 8}, {"memory": "8"}, {"postgresql": 0}, "4 cores"],
    ids=str,
)
def test_wrong_settings_are_refused(table: object) -> None:
    """One sentence each."""
    assert len(requirements.find_problems(table)) == 1


def test_this_machine_is_measured(tmp_path: Path) -> None:
    """The script is one of any Debian's shell, and changes nothing."""

    def local(argv: list[str], **more: object) -> Completed:
        return run(["sh", "-c", argv[-1]], env={**os.environ, "HOME": str(tmp_path)}, check=bool(more["check"]))

    way = Connection(destination="here", sockets=tmp_path / "s", runner=local)  # type: ignore[arg-type]
    found = requirements.measure(way, folder="~/state", service="shop", target="production")

    assert int(found["cores"]) >= 1
    assert int(found["memory"]) > 0
    assert int(found["disk"]) > 0
    assert (
        found["machine"] == subprocess.run(["uname", "-m"], capture_output=True, text=True, check=True).stdout.strip()
    )
    assert not (tmp_path / "state").exists()


def test_what_is_no_server_is_refused(tmp_path: Path) -> None:
    """Such as a switch whose shell answers to nothing."""

    def silent(argv: list[str], **_: object) -> Completed:
        return Completed(argv=tuple(argv), code=1, stdout="", tail="% Invalid input")

    way = Connection(destination="switch", sockets=tmp_path / "s", runner=silent)  # type: ignore[arg-type]
    with pytest.raises(TargetError, match="switch does not tell what it has: % Invalid input"):
        requirements.measure(way, folder="", service="shop", target="production")


def test_server_can_be_prepared_before_the_lock(tmp_path: Path) -> None:
    """Then no PostgreSQL is known yet."""
    assert requirements.read_postgresql(tmp_path / "estiba.lock") == ""
