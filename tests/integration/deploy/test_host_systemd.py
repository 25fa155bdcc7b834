"""A service on a machine whose PID 1 is systemd: looked after from boot on, and gone without a trace."""

from __future__ import annotations

import re
import subprocess
import urllib.request
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from tests.recording import RecordingRunner
from tests.services import debian, machine, sites
from tests.services.harbour import build

from estiba.demo import traffic
from estiba.deploy.host import closure as releases
from estiba.deploy.host.state.folder import StateFolder
from estiba.deploy.host.supervise.runit import until
from estiba.deploy.host.supervise.systemd import Unit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.services.machine import Machine
    from tests.services.sites import Site

LIMIT: Final = 120.0
"""Seconds until what was switched on answers, on a machine with other things to do."""


@contextmanager
def booted(site: Site, folder: Path) -> Iterator[tuple[Site, Machine]]:
    """Switch the machine on for the time of the block."""
    with machine.running(folder) as running:
        yield replace(site, machine=running), running


def find(running: Machine, unit: str) -> int:
    """Return the main process of a unit as this machine sees it, which is outside of the other one's numbers."""
    inside = running.control("show", "--property=MainPID", "--value", unit)
    states = (path.read_text() for path in Path("/proc").glob("[0-9]*/status"))
    numbers = (re.findall(r"^NSpid:\t(\d+)\t(\d+)$", state, re.MULTILINE) for state in states)
    return next(int(outer) for found in numbers for outer, inner in found if inner == inside)


def answers(site: Site, limit: float) -> bool:
    """Tell whether the page answers within so many seconds."""
    for _ in until(limit):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{site.port}/", timeout=5):
                return True
        except OSError:
            continue
    return False


def test_systemd_looks_after_the_service(harbour: Path, tmp_path: Path) -> None:
    """It comes back when its supervisor dies and when the machine was switched off, and `down` leaves nothing."""
    site, units = sites.copy(harbour, tmp_path), tmp_path / "machine" / "units"
    with booted(site, tmp_path / "machine") as (here, running):
        before = here.run("deploy")
        (unit,) = units.glob("estiba@*.service")
        assert running.control("is-active", unit.name) == "active"
        assert f"/system-estiba.slice/{unit.name}" in Path(f"/proc/{find(running, unit.name)}/cgroup").read_text()

        running.control("kill", "--kill-whom=main", "--signal=KILL", unit.name)
        started_again = ["show", "--property=NRestarts", "--value", unit.name]
        assert any(running.control(*started_again) == "1" for _ in until(LIMIT))
        assert answers(here, LIMIT)
        assert running.control("is-active", unit.name) == "active"

    assert not answers(site, 1)
    with booted(site, tmp_path / "machine") as (here, running):
        assert answers(here, LIMIT)
        assert any(here.status()["ready"] for _ in until(LIMIT))
        assert here.status()["release"]["digest"] == before["digest"]
        assert here.run("deploy")["result"] == "unchanged"
        here.change_servers("nginx")
        with traffic.running(here.port) as seen:
            assert [one.split()[0] for one in here.run("deploy")["restarted"]] == ["nginx"]
        # Of the connections that were kept open each has to be opened once more at most.
        assert sum(seen.failed.values()) <= 3, seen

        here.run("down")
        assert not answers(here, 1)
        assert running.control("list-units", "--all", "--no-legend", "estiba@*") == ""
        assert [path for path in units.rglob("*") if not path.is_dir()] == []


def test_user_has_a_unit_of_his_own(harbour: Path, tmp_path: Path) -> None:
    """An ordinary user's supervisor runs under his own manager, again after it died, and goes with the unit."""
    release = build(harbour, "host")
    with machine.running(tmp_path / "machine") as running:
        user = running.log_in()
        state = user.home / "my state"
        folder = StateFolder(path=state, uid=user.uid)
        seen = StateFolder(path=running.root / state.relative_to("/"), uid=user.uid)
        seen.own(seen.path / "services")
        (seen.path / "roots").mkdir()
        (seen.path / "roots" / "supervisor").symlink_to(releases.load(release).runit)
        home = running.root / user.home.relative_to("/")
        unit = Unit(folder=folder, is_system=False, runner=user.run, root=running.root, home=home)
        seen.own(unit.file.parent)

        assert unit.start()
        assert "enable-linger" in unit.advice()
        state_of = ["systemctl", "--user", "show", "--property=MainPID", "--value", unit.name]
        first = user.run(state_of).stdout
        assert f"Uid:\t{user.uid}\t" in (running.root / "proc" / first.strip() / "status").read_text()
        user.run(["systemctl", "--user", "kill", "--kill-whom=main", "--signal=KILL", unit.name])
        assert any(user.run(state_of).stdout not in {first, "0\n"} for _ in until(LIMIT))
        unit.stop()
        assert user.run(state_of).stdout == "0\n"
        assert not unit.file.exists()


def test_folder_that_systemd_does_not_see_gets_no_unit(tmp_path: Path) -> None:
    """Nothing of it stays, so that a command can start the supervisor in its own world."""
    with machine.running(tmp_path / "machine") as running:
        runner = running.run
        unit = Unit(folder=StateFolder.at(Path("/nowhere")), is_system=True, runner=runner, root=running.root)

        assert unit.is_possible
        assert not unit.start()
        assert running.control("list-units", "--all", "--no-legend", "estiba@*") == ""
    assert [path for path in (tmp_path / "machine" / "units").rglob("*") if not path.is_dir()] == []


@pytest.mark.parametrize("is_system", [True, False], ids=["system", "user"])
def test_shipped_unit_says_nothing_that_systemd_does_not_know(tmp_path: Path, *, is_system: bool) -> None:
    """Its own judge finds one fault: the folder, which is not there."""
    folder = StateFolder(path=Path("/srv/shop"), uid=33)
    for name in ("run/systemd/system", "run/user/33/systemd/private"):
        (tmp_path / name).mkdir(parents=True)
    unit = Unit(folder=folder, is_system=is_system, runner=RecordingRunner(), root=tmp_path, home=tmp_path)
    assert unit.start()

    argv = [*debian.inside(machine.PACKAGE), "systemd-analyze", "verify", "--man=no", str(unit.file)]
    (said,) = subprocess.run(argv, capture_output=True, text=True, check=False).stderr.splitlines()

    assert re.search(r"Command /srv/shop/roots/supervisor/bin/\w+ is not executable: No such file", said)
