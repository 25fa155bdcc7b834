"""A service on another machine: a fresh Debian with sshd, an ordinary user, and a store of his own."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from tests.services import remote as remotes
from tests.services import sshd

from estiba.deploy.host.supervise.runit import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.services.remote import Remote

LIMIT: Final = 120.0
KILLS: Final = 4


@pytest.fixture(scope="module")
def remote(harbour: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Remote]:
    """Make a server, on which nothing of this project ever ran, and a service for it."""
    # Not TMPDIR: the user of the server has to pass through it.
    with tempfile.TemporaryDirectory(prefix="ssh-", dir="/var/tmp") as name:
        Path(name).chmod(0o755)
        server = sshd.make(Path(name))
        with server.running():
            yield remotes.make(harbour, tmp_path_factory.mktemp("remote"), server)


@pytest.fixture(scope="module")
def served(remote: Remote) -> Remote:
    """Deploy for the first time, which brings the server all that it needs."""
    assert "nothing was deployed to ana@server yet" in remote.run("status", code=18)[1]
    assert remote.ask("deploy")["result"] == "deployed"
    return remote


def test_server_is_looked_at_before_anything_is_brought(remote: Remote) -> None:
    """What it lacks is told, and nothing is changed there."""
    pyproject = remote.folder / "pyproject.toml"
    before = pyproject.read_text()
    pyproject.write_text(f'{before}server = {{cores = 1000, memory = "8GB"}}\n')
    try:
        said = remote.run("server.prepare", code=17)
    finally:
        pyproject.write_text(before)

    assert re.search(r"^CPU cores +1000 +\d+", said[0], re.MULTILINE)
    assert "more CPU cores" in said[1]
    assert not (remote.server.home / ".local").exists()


def test_service_is_deployed_and_rolled_back(served: Remote) -> None:
    """Each command runs there and says here what came of it; the logbook there names the person."""
    first = served.ask("status")
    assert first["ready"], first
    served.write("From afar.")
    assert served.ask("deploy")["result"] == "deployed"
    assert "From afar." in served.text()
    assert served.ask("rollback")["digest"] == first["release"]["digest"]
    assert "From afar." not in served.text()

    user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
    assert {one["user"] for one in served.logbook()} == {user}
    assert "nginx" in served.ask("logs", "--tail", "1", "--process", "nginx")["lines"][0]
    out, _ = served.run("manage", "--", "shell", "-c", "import os; print(os.environ['TOKEN'])")
    assert "not-for-others" in out


def test_secrets_go_to_the_service_alone(served: Remote) -> None:
    """They are in no other file of the server, and in no command line."""
    found = subprocess.run(
        ["grep", "-rl", "not-for-others", str(served.server.home), str(served.server.root / "tmp")],
        capture_output=True,
        text=True,
        check=False,
    )
    names = {Path(line).name for line in found.stdout.splitlines()}

    assert names <= {"program.json", "started.json"}, found.stdout
    modes = {Path(line).stat().st_mode & 0o077 for line in found.stdout.splitlines()}
    assert modes == {0}


def test_killed_connections_are_opened_again(served: Remote) -> None:
    """Every ssh is killed again and again: the same command goes on there, once, and its end is told here."""
    served.write("Through all of it.")
    count, known = len(served.logbook()), served.commands()
    with served.start("deploy", "--json") as child:
        # Once while it is built or copied; then again and again, with time to connect in between.
        time.sleep(5)
        killed = served.kill_clients()
        assert any(served.commands() - known or child.poll() is not None for _ in until(LIMIT))
        for _ in range(KILLS):
            killed += served.kill_clients()
            time.sleep(2)
        out, err = child.communicate()

    assert child.returncode == 0, out + err
    assert killed
    assert json.loads(out)["result"] == "deployed"
    assert [one["result"] for one in served.logbook()[count:]] == ["deployed"]
    assert "Through all of it." in served.text()


def test_server_finishes_without_the_command(served: Remote) -> None:
    """The command here is killed while the release is started: what was begun is finished there."""
    served.write("Nobody waits.")
    count = len(served.logbook())
    known = served.commands()
    child = served.start("deploy")
    assert any(served.commands() - known for _ in until(LIMIT))
    child.kill()
    child.communicate()
    served.kill_clients()

    assert any(len(served.logbook()) > count for _ in until(LIMIT))
    assert [one["result"] for one in served.logbook()[count:]] == ["deployed"]
    assert served.ask("status")["ready"]
    assert "Nobody waits." in served.text()


def test_service_is_taken_down(served: Remote) -> None:
    """And nothing of it runs there any more."""
    assert served.ask("down")["result"] == "down"
    with pytest.raises(OSError, match="refused"):
        served.text()
