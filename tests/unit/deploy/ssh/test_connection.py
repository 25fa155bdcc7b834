from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import pytest
from tests.recording import RecordingRunner

from estiba.deploy.ssh.connection import Connection, find_problem
from estiba.errors import ConnectionLostError


@pytest.mark.parametrize(
    "destination", ["shop", "ana@shop.example", "ana@10.0.0.1", "ssh://ana@shop:2222", "ssh://shop", "a.b-c_d"]
)
def test_destinations_of_ssh_are_taken(destination: str) -> None:
    """A host, a name in ssh's configuration, or a URL with a port."""
    assert find_problem(destination) == ""


@pytest.mark.parametrize(
    "destination",
    [
        "",
        "-oProxyCommand=reboot",
        "ana@-oProxyCommand=x",
        "a b",
        "shop:22",
        "shop\n",
        "ssh://shop/path",
        "a@b@c",
        "a;b",
    ],
)
def test_what_could_be_an_option_or_a_command_is_refused(destination: str) -> None:
    """Whoever writes the settings names a machine, and nothing for ssh or a shell to run."""
    assert "[USER@]HOST" in find_problem(destination)


def test_command_leaves_hosts_and_keys_to_ssh(tmp_path: Path) -> None:
    """No option weakens the check of the host's key; the destination cannot be taken for an option."""
    way = Connection(destination="ssh://ana@shop:2222", sockets=tmp_path)
    argv = way.argv("exec true", "a b", terminal=True)

    assert argv[0] == "ssh"
    assert argv[argv.index("-p") + 1] == "2222"
    assert "-t" in argv
    assert argv[-3:] == ["--", "ana@shop", "sh -c 'exec true' estiba 'a b'"]
    assert not [word for word in argv if "StrictHostKeyChecking" in word or "KnownHosts" in word]


def test_commands_share_a_connection_where_its_socket_fits(tmp_path: Path) -> None:
    """The path of a socket has 107 characters at most, and Nix splits options at blanks."""
    with tempfile.TemporaryDirectory(dir="/tmp") as short:
        sockets = Path(short, "s")
        assert f"ControlPath={sockets}/%C" in Connection(destination="shop", sockets=sockets).options
        assert sockets.stat().st_mode & 0o777 == 0o700
    for name in ("x" * 100, "a b"):
        sockets = tmp_path / name
        assert not any("ControlPath" in word for word in Connection(destination="shop", sockets=sockets).options)
        assert not sockets.exists()


@pytest.mark.parametrize("code", [255, -9], ids=["failed", "killed"])
def test_failure_of_ssh_is_a_lost_connection(tmp_path: Path, code: int) -> None:
    """Other exit codes are those of the command there."""
    way = Connection(destination="shop", sockets=tmp_path, runner=RecordingRunner(code, 3))
    with pytest.raises(ConnectionLostError, match="no connection to shop") as caught:
        way.run("true")

    assert "ssh shop has to work by itself" in caught.value.hint
    assert way.run("true").code == 3


def test_words_reach_the_script_whole(tmp_path: Path) -> None:
    """The user's shell there takes the command apart once."""
    command = Connection(destination="shop", sockets=tmp_path).argv('printf "%s|" "$@"', "a b", "$HOME", "it's")[-1]

    assert subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True).stdout == "a b|$HOME|it's|"
