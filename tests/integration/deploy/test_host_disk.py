"""A service on this machine whose disk is full, before a deployment and in the middle of one."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.services import disk, sites

from estiba.demo import traffic
from estiba.deploy.host.rollout import Step
from estiba.deploy.host.supervise.runit import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.services.disk import Disk
    from tests.services.sites import Site

SIZE = 300 * 2**20
MOMENTS = (Step.MIGRATE, Step.SWITCH, Step.SMOKE, Step.FINISH)

GREEDY = '''"""A migration that the disk has no room for."""

from django.db import migrations


class Migration(migrations.Migration):
    """Fills the table of entries."""

    dependencies = [("harbour", "0001_initial")]
    operations = [
        migrations.RunSQL("CREATE TABLE greedy AS SELECT repeat(md5(n::text), 60) FROM generate_series(1, {rows}) n")
    ]
'''


@pytest.fixture(scope="module")
def running(harbour: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Deploy the service on a small disk."""
    made = sites.copy(harbour, tmp_path_factory.mktemp("host"))
    with disk.mounted(made.state, SIZE) as small:
        site = replace(made, disk=small)
        try:
            site.run("deploy")
            yield site
        finally:
            site.invoke("down", check=False)


@pytest.fixture
def small(running: Site) -> Disk:
    """Return that disk."""
    assert running.disk
    return running.disk


@pytest.mark.parametrize("left", [pytest.param(50 * 2**20, id="nearly"), pytest.param(0, id="quite")])
def test_full_disk_is_refused_before_anything_is_done(running: Site, small: Disk, left: int) -> None:
    """One clear error, and the release that is served goes on with the same processes; with space it goes through."""
    before, pids = running.status(), running.pids
    running.write(f"With {left} bytes.")
    with small.filled(left), traffic.running(running.port) as seen:
        code, said = running.fail("deploy")

    assert code == 17
    assert said.count("error: ") == 1
    assert re.search(r"error: the disk of \S+ has only \d+ MB left, 100 MB are needed\n +hint: free some space", said)
    assert seen.failed == {}
    assert running.status()["release"] == before["release"]
    assert running.pids == pids
    assert running.run("deploy")["result"] == "deployed"
    assert f"With {left} bytes." in running.text()


@pytest.mark.parametrize("moment", [pytest.param(step.value, id=step.name.lower()) for step in MOMENTS])
def test_disk_that_becomes_full_leaves_the_old_or_the_new(running: Site, moment: str) -> None:
    """Whenever the space is gone, one whole release is served, and with space the next deployment goes through."""
    before = running.text()
    running.write(f"Full while {moment}.")
    with traffic.running(running.port) as seen:
        code, said = running.choke("deploy", moment)
        found = running.text()

    # Before the switch nothing is to be taken back; what is left to be written in the end may still find its place.
    is_switched = moment in {Step.SWITCH.value, Step.WORKERS.value, Step.SMOKE.value}
    assert code in ({0, 18} if moment == Step.FINISH.value else {5, 6, 18} if is_switched else {6, 18})
    assert code == 0 or "No space left on device" in said
    assert found == before or f"Full while {moment}." in found
    assert seen.failed == {}
    running.run("deploy")
    assert f"Full while {moment}." in running.text()
    status = running.status()
    assert status["ready"]
    assert status["notes"] == []


def test_way_back_needs_no_space(running: Site, small: Disk) -> None:
    """The release that filled the disk can be left."""
    running.write("Before the flood.")
    before = running.run("deploy")
    running.write("Flood.")
    running.run("deploy")
    with small.filled(2**20):
        assert running.run("rollback")["digest"] == before["digest"]

    assert "Before the flood." in running.text()


def test_migration_that_fills_the_disk_changes_nothing(running: Site, small: Disk) -> None:
    """PostgreSQL runs out of space, the old release stays and recovers by itself, and with space the next one works."""
    before = running.status()["release"]
    file = running.folder / "harbour" / "migrations" / "0002_greedy.py"
    file.write_text(GREEDY.format(rows=1000000))
    code, said = running.fail("deploy")

    assert code == 18
    assert "the migrations ended with 1" in said
    assert "nothing was switched" in said
    assert running.status()["release"] == before
    small.resize(2 * SIZE)
    for _ in until(120):
        if running.status()["ready"]:
            break
    words = running.run("logs", "--process", "postgresql", "--tail", "999")["lines"]
    assert any("No space left on device" in line for line in words)
    file.write_text(GREEDY.format(rows=10))
    assert running.run("deploy")["migrations"] == ["harbour.0002_greedy"]
    assert running.status()["ready"]
