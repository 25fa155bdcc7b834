"""A release that brings other servers, on this machine: those that run are changed for them, and back."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.services import sites

from estiba import config
from estiba.demo import traffic
from estiba.deploy import targets
from estiba.deploy.host.rollout import Step
from estiba.deploy.host.supervise.runit import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from tests.services.sites import Site

PROGRAMS = {
    "nginx": "usr/sbin/nginx",
    "postgresql": f"usr/lib/postgresql/{sites.POSTGRESQL}/bin/postgres",
    "redis": "usr/bin/redis-server",
}
JOB = '''

@django_rq.job
def write(seconds: float, text: str) -> None:
    """Work for so long."""
    import time

    Entry.objects.create(text=f"{text} begun")
    time.sleep(seconds)
    Entry.objects.create(text=f"{text} ended")
'''
NAMES = ["postgresql", "redis", "nginx"]
KEPT = 3
"""Visitors that ask again over a connection that they have."""


@pytest.fixture
def site(running: Site) -> Iterator[Site]:
    """Return the deployed service, whose lock is to be changed; in the end it is as before."""
    file = running.folder / "estiba.lock"
    before = file.read_text()
    yield running
    file.write_text(before)
    running.run("deploy")


@pytest.fixture
def other(site: Site) -> Site:
    """Change the lock so that all servers are others."""
    site.change_servers(*NAMES)
    return site


def names(record: dict[str, Any]) -> list[str]:
    """Return which servers were restarted, without their versions."""
    return [one.split()[0] for one in record["restarted"]]


def trees(site: Site) -> dict[str, str]:
    """Return the store paths that the servers run from, by the files that their processes see, all of them kept."""
    found = {}
    pids = site.pids
    for name, program in PROGRAMS.items():
        tree = json.loads((site.state / "services" / name / "program.json").read_text())["tree"]
        assert Path(f"/proc/{pids[name]}/root", program).samefile(Path(tree, program)), name
        kept = [site.state / "roots" / root / "host.json" for root in (name, f"{name}-next")]
        assert tree in {json.loads(file.read_text())["servers"]["tree"] for file in kept}, name
        found[name] = tree
    return found


def nix_store(*words: str) -> str:
    """Ask Nix about its store."""
    return subprocess.run(["nix-store", *words], capture_output=True, text=True, check=True).stdout


def test_servers_are_changed_and_changed_back(other: Site) -> None:
    """All three are started anew, within a second; a rollback does the same; both say so."""
    first, pids = trees(other), other.pids
    other.write("With other servers.")
    with traffic.running(other.port) as seen:
        said = other.invoke("deploy").stderr
    deployed, second = other.logbook()[-1], trees(other)
    with traffic.running(other.port) as seen_back:
        back = other.run("rollback")

    assert names(deployed) == names(back) == NAMES
    assert all(f"restarted {one}" in said for one in deployed["restarted"])
    assert len({*first.values(), *second.values()}) == 2
    assert trees(other) == first
    assert not {other.pids[name] for name in NAMES} & set(pids.values())
    # Fifty requests a second: five seconds of the databases, on a busy machine; an idle one needs a third of a second.
    assert sum(seen.failed.values()) < 250, seen
    assert sum(seen_back.failed.values()) < 250, seen_back


def test_server_that_is_the_same_in_another_root_is_left_alone(site: Site) -> None:
    """A change of Redis is none of PostgreSQL and nginx, whose processes stay, also when it is taken back."""
    first, pids = trees(site), site.pids
    site.change_servers("redis")
    with traffic.running(site.port) as seen:
        deployed = site.run("deploy")
    second = trees(site)
    back = site.run("rollback")

    assert names(deployed) == names(back) == ["redis"]
    assert second["redis"] != first["redis"]
    assert {name: site.pids[name] for name in ("nginx", "postgresql")} == {
        name: pids[name] for name in ("nginx", "postgresql")
    }
    assert trees(site) == {**second, "redis": first["redis"]} == first
    assert site.pids["redis"] != pids["redis"]
    found = nix_store("--query", "--roots", second["postgresql"])
    assert f"{site.state}/roots/postgresql -> " in found
    assert sum(seen.failed.values()) < 250, seen


def test_change_of_the_root_alone_restarts_nothing(site: Site) -> None:
    """A package that no server needs is the concern of none."""
    pids = site.pids
    site.change_servers()
    site.write("In another root.")
    with traffic.running(site.port) as seen:
        deployed = site.run("deploy")

    assert deployed["result"] == "deployed"
    assert names(deployed) == []
    assert {name: site.pids[name] for name in NAMES} == {name: pids[name] for name in NAMES}
    assert seen.failed == {}


def test_change_of_nginx_loses_no_request(site: Site) -> None:
    """Who connects meanwhile waits; of the connections that were kept open each has to be opened once more at most."""
    site.change_servers("nginx")
    with traffic.running(site.port) as seen:
        assert names(site.run("deploy")) == ["nginx"]
    with traffic.running(site.port) as seen_back:
        assert names(site.run("rollback")) == ["nginx"]

    for one in (seen, seen_back):
        assert set(one.failed) <= {"RemoteDisconnected", "ConnectionResetError", "BrokenPipeError"}
        assert sum(one.failed.values()) <= KEPT, one
        assert one.slowest < 5


def test_release_that_does_not_work_takes_its_servers_with_it(other: Site) -> None:
    """What is served again is the old release with the old servers."""
    first = trees(other)
    jobs = other.folder / "harbour" / "jobs.py"
    works = jobs.read_text()
    jobs.write_text(f"{works}\nEntry = None\n")
    other.fail("deploy")
    jobs.write_text(works)

    record = other.logbook()[-1]
    assert record["result"] == "taken back"
    assert names(record) == [*NAMES, *NAMES]
    assert trees(other) == first
    assert other.status()["ready"]


@pytest.mark.parametrize(
    "moment",
    [
        pytest.param("restarting postgresql, redis", id="before"),
        pytest.param("roots/postgresql-next", id="before-anything-is-set"),
        pytest.param("roots/postgresql", id="before-the-workers"),
        pytest.param(Step.MIGRATE.value, id="after"),
        pytest.param("restarting nginx", id="before-nginx"),
    ],
)
def test_killed_deployment_leaves_servers_that_run(other: Site, moment: str) -> None:
    """Whenever the deploying process dies, pages are served, and the next command makes the servers one release's."""
    other.write(f"Killed while {moment}.")
    other.kill("deploy", str(other.state / moment) if moment.startswith("roots/") else moment)
    # After the switch the workers of the new release are not there yet, which is no readiness.
    assert other.status()["ready"] or moment == "restarting nginx"
    assert other.text()

    record = other.run("deploy")

    assert record["result"] in {"deployed", "unchanged"}
    assert len(set(trees(other).values())) == 1
    status = other.status()
    assert status["ready"]
    assert status["notes"] == []
    # What belongs to the release before may still be at its last request.
    assert {one["state"] for one in status["workloads"]} <= {"up", "finishing"}


def test_jobs_and_data_outlast_the_change(other: Site) -> None:
    """The job that a worker is at comes to its end, the one behind it is not forgotten, and the data is the same."""
    with (other.folder / "harbour" / "jobs.py").open("a") as file:
        file.write(JOB)
    assert names(other.run("deploy")) == NAMES
    target = targets.load(other.folder, "local", config.load())
    ran = target.manage(
        ["shell", "-c", "from harbour.jobs import write; write.delay(9, 'long'); write.delay(0, 'next')"]
    )
    assert ran.has_passed, ran.output
    assert "long begun" in other.text()

    assert names(other.run("rollback")) == NAMES

    assert "long ended" in other.text()
    assert any("next ended" in other.text() for _ in until(120))
