"""A service on this machine: real processes, under load while releases change, and with all that can go wrong."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.services.harbour import invoke
from tests.services.sites import MARK

from estiba import config
from estiba.demo import traffic
from estiba.deploy import targets
from estiba.deploy.host.rollout import Step
from estiba.deploy.host.state import users
from estiba.deploy.host.state.folder import StateFolder
from estiba.deploy.host.supervise.runit import until

if TYPE_CHECKING:
    import subprocess

    from tests.services.sites import Site


def test_service_answers_with_everything_that_it_needs(running: Site) -> None:
    """The page, its static files and the health page answer, and a job went through the queue and back."""
    status = running.status()

    assert status["ready"]
    assert {one["name"][:-2] for one in status["workloads"] if one["name"][-2] == "-"} == {"web", "worker", "scheduler"}
    assert {one["state"] for one in status["workloads"]} == {"up"}
    assert MARK in running.text()
    (sheet,) = re.findall(r'href="(/static/site/site\.[0-9a-f]{12}\.css)"', running.text())
    with urllib.request.urlopen(f"http://127.0.0.1:{running.port}{sheet}", timeout=10) as answer:
        assert answer.headers["Content-Type"] == "text/css; charset=utf-8"
    assert "0 entries" in (running.state / "logs" / "manage.log").read_text()


def find_ports(pid: int) -> set[int]:
    """Return the ports that a process listens on."""
    rows = [line.split() for name in ("tcp", "tcp6") for line in Path("/proc/net", name).read_text().splitlines()[1:]]
    listening = {f"socket:[{row[9]}]": int(row[1].rpartition(":")[2], 16) for row in rows if row[3] == "0A"}
    links = {str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()}
    return {port for link, port in listening.items() if link in links}


def test_machine_sees_unprivileged_processes_and_one_port(running: Site) -> None:
    """No process has privileges, only nginx and who holds its socket listen, and secrets are not for everybody."""
    folder = StateFolder.at(running.state)
    expected = {"nginx": users.NGINX, "listener": users.NGINX, "postgresql": users.POSTGRESQL, "redis": users.REDIS}

    # Of /proc alone: a fresh Debian has neither ps nor ss.
    for name, pid in running.pids.items():
        status = Path(f"/proc/{pid}/status").read_text()
        user = folder.user(expected.get(name, users.SERVICE)) or os.geteuid()
        assert re.search(rf"^Uid:\t{user}\t{user}\t{user}\t{user}$", status, re.MULTILINE), name
        assert re.search(r"^CapEff:\s+0+$", status, re.MULTILINE)
    assert {name: ports for name, pid in running.pids.items() if (ports := find_ports(pid))} == {
        "listener": {running.port},
        "nginx": {running.port},
    }
    assert (running.state / "secrets.json").stat().st_mode & 0o777 == 0o600
    assert (running.state / "data" / "postgresql").stat().st_mode & 0o777 == 0o700


def test_change_and_rollback_lose_no_request(site: Site) -> None:
    """At fifty requests a second nobody notices a new release, nor the way back."""
    with traffic.running(site.port) as seen:
        site.write("Changed.")
        deployed = site.run("deploy")
        assert "Changed." in site.text()
        back = site.run("rollback")
        assert MARK in site.text()

    assert seen.failed == {}
    assert seen.count > 100
    assert (deployed["result"], back["result"]) == ("deployed", "rolled back")
    assert back["digest"] != deployed["digest"]
    site.write(MARK)


def test_rollback_passes_over_what_was_taken_back(site: Site) -> None:
    """A release that was tried and taken back is no way back."""
    site.write("Good.")
    good = site.run("deploy")
    jobs = site.folder / "harbour" / "jobs.py"
    works = jobs.read_text()
    jobs.write_text(f"{works}\nEntry = None\n")
    site.fail("deploy")
    assert site.logbook()[-1]["result"] == "taken back"
    jobs.write_text(works)
    site.write("Better.")
    site.run("deploy")

    assert site.run("rollback")["digest"] == good["digest"]
    assert "Good." in site.text()
    site.write(MARK)


def test_rollbacks_go_on_back_along_what_was_served(site: Site) -> None:
    """After A, B, A again and C the way back is A, then B, also where the first attempt was killed half way."""
    for text in ("A.", "B.", "A.", "C."):
        site.write(text)
        site.run("deploy")
    site.kill("rollback", "--switch-generation")

    assert "A." in site.text()
    assert site.run("rollback")["result"] == "rolled back"
    assert "B." in site.text()
    site.write("D.")
    site.run("deploy")
    site.run("rollback")
    assert "B." in site.text()
    site.run("rollback")
    assert "A." in site.text()
    site.write(MARK)


def test_what_has_not_changed_is_not_deployed_twice(site: Site) -> None:
    """A deployment of the release that is served leaves its processes alone."""
    site.write(MARK)
    site.run("deploy")
    before = site.pids

    again = site.run("deploy")

    assert again["result"] == "unchanged"
    assert site.pids == before


@pytest.mark.parametrize(
    ("file", "text", "reason", "expected"),
    [
        pytest.param("config/wsgi.py", "raise RuntimeError('listing to port')", "listing to port", 18, id="start"),
        pytest.param("harbour/views.py", "def index(request): raise RuntimeError", "/ answers 500", 18, id="page"),
        pytest.param("harbour/jobs.py", "Entry = None", "manage.py try_worker failed", 5, id="job"),
    ],
)
def test_broken_release_is_taken_back(site: Site, file: str, text: str, reason: str, *, expected: int) -> None:
    """A release that does not start, whose page fails, or whose jobs do: nobody sees it, and the evidence is kept.

    The exit code tells whether it was served for a moment.
    """
    site.run("deploy")
    with (site.folder / file).open("a") as source:
        source.write(f"\n{text}\n")
    with traffic.running(site.port) as seen:
        code, said = site.fail("deploy")

    assert code == expected
    assert reason in said
    assert seen.failed == {}
    assert site.status()["ready"]
    evidence = Path(re.findall(r"evidence: (.*)", said)[0])
    assert {"record.json", "nginx.log", "migrations.txt"} <= {path.name for path in evidence.iterdir()}
    assert site.logbook()[-1]["result"] in {"failed", "taken back"}
    assert site.logbook()[-1]["reason"]


# The way back is a step of releases that fail.
MOMENTS = [pytest.param(step.value, id=step.name.lower()) for step in Step if step is not Step.RETURN]


@pytest.mark.parametrize("moment", [*MOMENTS, pytest.param("--set", id="between-link-and-profile")])
def test_killed_deployment_leaves_the_old_or_the_new(site: Site, moment: str) -> None:
    """Whenever the deploying process dies, one whole release is served, and the next command says what happened."""
    before = site.text()
    site.write(f"After {moment}.")
    with traffic.running(site.port) as seen:
        site.kill("deploy", moment)
        found = site.text()
        notes = " ".join(site.status()["notes"])
        done = site.invoke("deploy", "--json")
        record = json.loads(done.stdout)

    assert "was interrupted while" in done.stderr
    assert found == before or f"After {moment}." in found
    assert ("is served as before" in notes) == (found == before)
    assert "was interrupted while" in notes
    assert record["result"] in {"deployed", "unchanged"}
    assert f"After {moment}." in site.text()
    assert seen.failed == {}
    assert site.logbook()[-2]["result"] == "interrupted"
    status = site.status()
    assert status["notes"] == []
    assert status["details"]["generation"] == int(
        re.findall(r"\d+", str((site.state / "profile/release").readlink()))[0]
    )


def test_killed_rollback_is_repaired_too(site: Site) -> None:
    """The way back survives the same."""
    site.write("Newest.")
    site.run("deploy")
    site.kill("rollback", Step.WORKERS.value)
    site.write("Newer still.")

    site.run("deploy")

    assert "Newer still." in site.text()
    assert site.status()["notes"] == []


def test_second_command_is_told_who_is_at_work(site: Site) -> None:
    """Two commands at once: the first one goes on, the second one says whose it is."""
    site.write("One of two.")
    answers: list[subprocess.CompletedProcess[str]] = []
    first = threading.Thread(target=lambda: answers.append(invoke(site.folder, "deploy", check=False)))
    first.start()
    while not (site.state / "journal.json").exists() and first.is_alive():
        time.sleep(0.05)
    # Another command than that of the first, since that one would have to build before it asks for the lock.
    refused = invoke(site.folder, "rollback", check=False)
    first.join()

    assert (answers[0].returncode, refused.returncode) == (0, 75)
    assert re.search(r"error: \S+ runs deploy here since \S+ \(process \d+\)", refused.stderr)


def test_dead_database_comes_back(site: Site) -> None:
    """The supervisor starts PostgreSQL again, and what was written is still there; the next deployment works."""
    site.write("After a crash.")
    os.kill(site.pids["postgresql"], signal.SIGKILL)
    done = invoke(site.folder, "deploy", "--json", check=False)

    assert done.returncode in {0, 5, 6, 18}, done.stderr
    assert site.run("deploy")["result"] in {"deployed", "unchanged"}
    assert site.status()["ready"]


def test_data_survives_going_down(site: Site) -> None:
    """After `down` nothing runs; after `deploy` the same release and the same data are there."""
    site.run("deploy")
    before, pids = site.status(), site.pids
    key = (site.state / "secrets.json").read_text()
    tables = count_tables(site)
    site.run("down")

    assert site.status()["workloads"] == [] or {one["state"] for one in site.status()["workloads"]} == {"down"}
    assert not [pid for pid in pids.values() if Path(f"/proc/{pid}").exists()]
    assert site.run("deploy")["result"] == "unchanged"
    after = site.status()
    assert after["ready"]
    assert after["release"] == before["release"]
    assert count_tables(site) == tables > 5
    assert (site.state / "secrets.json").read_text() == key


def count_tables(site: Site) -> int:
    """Return the number of files that PostgreSQL keeps for the service's database."""
    return max(len(list(folder.iterdir())) for folder in (site.state / "data/postgresql/base").iterdir())


def test_logs_of_all_processes_are_in_the_order_of_time(site: Site) -> None:
    """Every process's lines are there, each with its time and name."""
    site.text()
    lines = site.run("logs", "--tail", "200")["lines"]

    assert lines == sorted(lines, key=lambda line: line[:23])
    assert len({line.split()[1].rstrip(":") for line in lines}) > 1
    assert any(
        "ready to accept" in line for line in site.run("logs", "--process", "postgresql", "--tail", "999")["lines"]
    )
    (request,) = site.run("logs", "--process", "nginx", "--tail", "1")["lines"]
    assert json.loads(request.partition(": ")[2])["status"] == 200


def test_folders_belong_to_the_processes_only_where_they_must(running: Site) -> None:
    """What the processes have no need to write stays the deploying user's."""
    folder = StateFolder.at(running.state)

    assert (running.state / "data" / "media").stat().st_uid == (folder.user(users.SERVICE) or os.geteuid())
    for name in ("logs", "profile", "run", "serve", "services", "services/web-a", "settings", "tasks"):
        assert (running.state / name).stat().st_uid == os.geteuid(), name


ATTACK = """
import glob
from psycopg import connect

print("processes", sorted(int(path.rpartition("/")[2]) for path in glob.glob("/proc/[0-9]*")))
for user in ("app", "postgres"):
    try:
        with connect(host="/run/postgresql", user=user, dbname="app") as connection:
            connection.execute("COPY (SELECT 1) TO PROGRAM 'true'")
        print(user, "ran a program")
    except Exception as error:
        print(user, "refused:", str(error).splitlines()[0])
"""


def test_service_gets_to_nothing_of_others(running: Site) -> None:
    """It sees its own processes alone, and cannot have PostgreSQL run programs, as a superuser could."""
    target = targets.load(running.folder, "local", config.load())
    said = target.manage(["shell", "-c", ATTACK]).output

    assert "processes [1, 2]\n" in said
    assert re.search("app refused: (must be superuser|permission denied to COPY)", said)
    assert re.search("postgres refused: .*no password supplied", said)


def test_killed_supervisor_is_noticed_and_replaced(site: Site) -> None:
    """Nothing would restart what ends; the next deployment of the same release starts all anew."""
    site.run("deploy")
    status = site.status()
    assert status["ready"]
    runsv = int(Path(f"/proc/{status['details']['pids']['nginx']}/stat").read_text().rpartition(")")[2].split()[1])
    runsvdir = int(Path(f"/proc/{runsv}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(runsvdir, signal.SIGKILL)

    status = site.status()
    assert not status["ready"]
    assert any("the supervisor was killed" in note for note in status["notes"])
    assert site.run("deploy")["result"] == "unchanged"
    status = site.status()
    assert status["ready"]
    assert status["notes"] == []


def test_release_that_was_killed_before_its_trial_is_tried(site: Site) -> None:
    """The next deployment of the same release runs its tests, and takes it back where they fail."""
    site.write("Before.")
    before = site.run("deploy")
    with (site.folder / "harbour" / "jobs.py").open("a") as source:
        source.write("\nEntry = None\n")
    site.kill("deploy", Step.SMOKE.value)
    assert site.status()["release"]["digest"] != before["digest"]

    code, said = site.fail("deploy")

    assert code == 5
    assert "manage.py try_worker failed" in said
    assert site.status()["release"]["digest"] == before["digest"]
    assert site.status()["ready"]


def test_killed_program_leaves_none_behind(site: Site) -> None:
    """The kernel ends the workers of a killed nginx, and the next one serves on the same port."""
    pids = site.pids
    workers = Path(f"/proc/{pids['nginx']}/task/{pids['nginx']}/children").read_text().split()
    os.kill(pids["nginx"], signal.SIGKILL)

    assert any(not any(Path("/proc", pid).exists() for pid in workers) for _ in until(5))
    assert any(site.status()["ready"] and site.pids.get("nginx", 0) != pids["nginx"] for _ in until(20))
    assert site.text()
