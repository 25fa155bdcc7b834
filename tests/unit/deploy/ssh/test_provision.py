from __future__ import annotations

import base64
import dataclasses
import gzip
import io
import os
import platform
import subprocess
import tarfile
from pathlib import Path

import pytest
from tests.recording import RecordingRunner

from estiba import config
from estiba.deploy.ssh import provision
from estiba.deploy.ssh.connection import Connection
from estiba.deploy.ssh.provision import Server
from estiba.errors import ConfigError, DeployError, TargetError

ROOT = Path(__file__).parents[4]
PROGRAM = '[{"outputs": {"out": "/nix/store/00-estiba-server"}}]'


def make(tmp_path: Path, *answers: str | int) -> tuple[Server, RecordingRunner]:
    """Return a server whose commands are answered in turn, after the program's build."""
    runner = RecordingRunner(PROGRAM, *answers)
    settings = dataclasses.replace(config.load(), cache_dir=tmp_path, flake=f"path:{ROOT}")
    way = Connection(destination="ana@shop", sockets=tmp_path / "s", runner=runner)
    return Server(connection=way, config=settings, runner=runner, sleep=lambda _: None), runner


def kinds(runner: RecordingRunner) -> list[str]:
    """Return what each command was: the program, or the script's last words for ssh."""
    return [" ".join(argv[:2]) if argv[0] == "nix" else "ssh" for argv in runner.calls]


def test_program_that_is_there_takes_one_connection(tmp_path: Path) -> None:
    """Nothing is asked before."""
    server, runner = make(tmp_path, "{}")

    assert server.run("call", stdin="{}").stdout == "{}"
    assert kinds(runner) == ["nix build", "ssh"]
    assert runner.calls[1][-1].endswith(f" {server._key} /nix/store/00-estiba-server/bin/estiba-server call")


def test_other_program_is_brought_first(tmp_path: Path) -> None:
    """A server that was deployed to by another Estiba gets this one's."""
    server, runner = make(tmp_path, 42, "", "", "", "{}")

    assert server.run("call").stdout == "{}"
    assert kinds(runner) == ["nix build", "ssh", "ssh", "nix copy", "ssh", "ssh"]
    assert runner.calls[3][2:] == [
        "--no-check-sigs",
        "--to",
        f"ssh-ng://ana@shop?compress=true&remote-program=.local/share/estiba/server/{server._key}/nix-daemon",
        "/nix/store/00-estiba-server",
    ]


def test_fresh_server_is_left_alone_unless_it_is_deployed_to(tmp_path: Path) -> None:
    """A question does not install anything."""
    server, runner = make(tmp_path, 41, "")

    with pytest.raises(DeployError, match="nothing was deployed to ana@shop yet"):
        server.run("call")

    assert kinds(runner) == ["nix build", "ssh", "ssh"]


def test_program_that_fails_is_told(tmp_path: Path) -> None:
    """With its exit code, and what looks at the server."""
    server, _ = make(tmp_path, 3)
    with pytest.raises(TargetError, match="ana@shop: the program there exited with 3") as caught:
        server.run("call")

    assert caught.value.hint.startswith("invoke server.prepare")


def test_machine_of_another_kind_is_refused(tmp_path: Path) -> None:
    """Before Nix is brought there in vain."""
    server, _ = make(tmp_path)
    way = dataclasses.replace(server.connection, runner=RecordingRunner(41, 43))

    with pytest.raises(TargetError, match="is of kind"):
        dataclasses.replace(server, connection=way).copy([], on_status=lambda _: None)


def test_copy_is_tried_again(tmp_path: Path) -> None:
    """A connection that breaks is no reason to give up; what has arrived is not sent again."""
    server, runner = make(tmp_path)
    runner = RecordingRunner(255, "", PROGRAM, 1, 1, "", -9, "")
    server = dataclasses.replace(
        server, runner=runner, connection=dataclasses.replace(server.connection, runner=runner)
    )
    server.copy([Path("/nix/store/00-release")], on_status=lambda _: None)

    assert kinds(runner) == ["ssh", "ssh", "nix build", *["nix copy"] * 3, "ssh", "ssh"]
    with pytest.raises(TargetError, match="nothing can be copied to ana@shop"):
        dataclasses.replace(server, runner=RecordingRunner(PROGRAM, *[1] * 9)).copy([], on_status=lambda _: None)


def test_without_the_flake_there_is_no_program(tmp_path: Path) -> None:
    """As outside of the development shell."""
    server, _ = make(tmp_path)
    server = dataclasses.replace(server, config=dataclasses.replace(server.config, flake=""))

    with pytest.raises(ConfigError, match="ESTIBA_FLAKE"):
        server.run("call")


def test_files_bring_what_nixw_reads(tmp_path: Path) -> None:
    """The scripts there are those of this repository, and bring no tools."""
    server, _ = make(tmp_path)
    packed = gzip.decompress(base64.b64decode(server._files()))
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(tmp_path / "there")  # noqa: S202 - made above

    there = tmp_path / "there"
    assert (there / "nixw").read_bytes() == (ROOT / "nixw").read_bytes()
    assert os.access(there / "nixw", os.X_OK)
    assert (there / "nix" / "bootstrap" / "nix.json").exists()
    assert server._files() == make(tmp_path)[0]._files()
    subprocess.run(["sh", "-n", str(there / "nix-daemon")], check=True)


@pytest.mark.parametrize(
    "script", [provision._ENTER, provision._RUN, provision._UNPACK], ids=["enter", "run", "unpack"]
)
def test_scripts_are_ones_of_any_shell(script: str) -> None:
    """Debian's sh reads them."""
    subprocess.run(["sh", "-n", "-c", script], check=True)


def unpack(home: Path, server: Server, text: str) -> int:
    """Unpack files on a server, as the connection does, and return the exit code."""
    words = ["sh", "-c", provision._UNPACK, "estiba", server._key, platform.machine()]
    return subprocess.run(words, cwd=home, input=text, text=True, check=False, capture_output=True).returncode


def test_files_arrive_whole_or_not_at_all(tmp_path: Path) -> None:
    """A connection may break at any byte, also where tar sees nothing missing."""
    server, _ = make(tmp_path)
    whole = gzip.decompress(base64.b64decode(server._files()))
    # A file and the next one's header are blocks of 512 bytes each; nixw is the first one.
    with tarfile.open(fileobj=io.BytesIO(whole)) as archive:
        second = archive.getmembers()[1].offset
    part = base64.b64encode(gzip.compress(whole[:second])).decode()

    assert unpack(tmp_path, server, part)
    assert unpack(tmp_path, server, server._files()[: len(server._files()) // 2])
    assert list((tmp_path / provision._FOLDER).iterdir()) == []
    assert unpack(tmp_path, server, server._files()) == 0
    assert [path.name for path in (tmp_path / provision._FOLDER).iterdir()] == [server._key]
    assert (tmp_path / provision._FOLDER / server._key / "nix-daemon").exists()


def test_files_that_are_there_stay(tmp_path: Path) -> None:
    """Two commands may bring them at once, and the first one runs them when the second one's arrive."""
    server, _ = make(tmp_path)
    assert unpack(tmp_path, server, server._files()) == 0
    place = tmp_path / provision._FOLDER / server._key
    (place / "running").touch()

    assert unpack(tmp_path, server, server._files()) == 0
    assert (place / "running").exists()
    assert [path.name for path in place.parent.iterdir()] == [server._key]
    (place / "nixw").unlink()
    assert unpack(tmp_path, server, server._files()) == 0
    assert (place / "nixw").exists()


def test_scripts_tell_what_is_missing(tmp_path: Path) -> None:
    """Nix, then the program."""
    place = tmp_path / provision._FOLDER / "key"
    words = ["sh", "-c", provision._RUN, "estiba", "key", str(tmp_path / "program"), "a b"]

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert run().returncode == 41
    place.mkdir(parents=True)
    (place / "nixw").write_text('#!/bin/sh\nshift\nexec "$@"\n')
    (place / "nixw").chmod(0o755)
    assert run().returncode == 42
    (tmp_path / "program").write_text('#!/bin/sh\necho "$1"\n')
    (tmp_path / "program").chmod(0o755)
    assert run().stdout == "a b\n"
