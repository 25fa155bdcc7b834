from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
from tests.recording import RecordingRunner
from tests.unit.deploy.host.state.test_revisions import make

from estiba import process
from estiba.deploy.host import closure as closures
from estiba.deploy.host import settings
from estiba.deploy.host.processes import Processes
from estiba.deploy.host.state import target_lock, users
from estiba.deploy.host.state.folder import StateFolder
from estiba.deploy.host.state.logbook import FileLogbook
from estiba.deploy.host.state.revisions import RevisionStore
from estiba.deploy.host.supervise.runit import Runit
from estiba.deploy.logbook import Record
from estiba.errors import DeployError, TargetError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> StateFolder:
    """Return a target's folder."""
    made = StateFolder.at(tmp_path / "state")
    made.prepare()
    return made


def place_link(path: Path) -> None:
    """Put a symbolic link in place of a file."""
    path.symlink_to("/etc/hostname")


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '{"a": "\udcff"}', "[" * 100_000])
def test_damaged_file_is_named(folder: StateFolder, text: str) -> None:
    """What cannot be had again is not guessed: the error says which file to restore."""
    file = folder.path / "secrets.json"
    file.write_bytes(text.encode(errors="surrogateescape"))
    if "a" in text:
        assert folder.read(file) == {"a": "�"}
        return

    with pytest.raises(TargetError, match=r"secrets\.json is damaged: ") as caught:
        folder.secret("SECRET_KEY")

    assert caught.value.hint == "restore it from a backup, or remove it"


@pytest.mark.parametrize("place", [os.mkfifo, place_link, os.mkdir])
def test_only_regular_files_are_read(folder: StateFolder, place: type) -> None:
    """Nobody waits for the writer of a pipe, and no link leads to another file."""
    for name in ("secrets.json", "logbook.jsonl"):
        place(folder.path / name)

    with pytest.raises(TargetError, match=r"secrets\.json cannot be read: "):
        folder.secret("SECRET_KEY")
    with pytest.raises(TargetError, match=r"logbook\.jsonl cannot be read: "):
        FileLogbook(folder=folder).records()


def test_pipe_in_the_place_of_a_file_is_replaced(folder: StateFolder) -> None:
    """A file that is written anew needs nothing of what was there."""
    file = folder.path / "run" / "redis" / "redis.conf"
    os.mkfifo(file)

    folder.write_text(file, "requirepass secret\n")

    assert file.read_text() == "requirepass secret\n"


def test_lock_that_is_a_link_is_an_error(folder: StateFolder) -> None:
    """The file that it leads to is neither locked nor emptied."""
    place_link(folder.path / "lock")

    with pytest.raises(TargetError, match="lock cannot be locked: "), target_lock.acquire(folder, {}):
        pass


@pytest.mark.parametrize("name", ["started.json", "exit.json", "program.json"])
def test_power_failure_costs_no_deployment(folder: StateFolder, name: str) -> None:
    """Files about what ran are not synced; where one is empty after it, nothing is known of that process."""
    runit = Runit(folder=folder, names=["web"])
    (runit.services / "web").mkdir()
    (runit.services / "web" / name).touch()

    assert runit.running("web") == runit.installed("web") == {}
    assert runit.has_ended("web") == ""


def test_damaged_lines_do_not_cost_the_logbook(folder: StateFolder) -> None:
    """A line that is no record is left out; a field of a newer Estiba's record is."""
    logbook, record = FileLogbook(folder=folder), Record.begin("down").end("down")
    with (folder.path / "logbook.jsonl").open("wb") as file:
        file.write(b'{"command": "a}\n{}\n[]\n7\n\xff{}\n')
        file.write(json.dumps({**record.to_dict(), "since": "yesterday"}).encode() + b"\n")
        file.write(json.dumps({**record.to_dict(), "of-a-newer": 1}).encode() + b"\n")

    logbook.close(record)

    assert logbook.records() == [record, record]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"command": "deploy"}', '{"command": "deploy", "number": "7"}'])
def test_damaged_journal_is_repaired_as_that_of_a_killed_command(folder: StateFolder, text: str) -> None:
    """It stops nobody, nothing in it is believed, and it is put aside."""
    (folder.path / "journal.json").write_text(text)
    logbook = FileLogbook(folder=folder)

    found = logbook.interrupted()

    assert found is not None
    assert (found.user, found.command, found.number) == ("somebody", "a command", 0)
    logbook.close(found.end("interrupted"))
    assert logbook.interrupted() is None
    assert (folder.path / "journal.json.damaged").read_text() == text
    assert [one.result for one in logbook.records()] == ["interrupted"]


@pytest.mark.parametrize(
    "text", ["{}", '{"path": 7, "generation": 1}', '{"path": "/nix"}', '{"path": "/", "generation": "x"}']
)
def test_damaged_revision_is_named(folder: StateFolder, tmp_path: Path, text: str) -> None:
    """The release that is served is not taken for none."""
    revisions = RevisionStore(folder=folder, runner=RecordingRunner())
    revision = revisions.add(make(tmp_path / "one"))
    revisions.switch(revision)
    (revisions.directory(revision.number) / "release.json").write_text(text)

    with pytest.raises(TargetError, match=r"release\.json is damaged: "):
        revisions.current()


def test_link_to_no_revision_is_named(folder: StateFolder) -> None:
    """Such as one that somebody has made by hand."""
    revisions = RevisionStore(folder=folder, runner=RecordingRunner())
    (revisions.serve / "current").symlink_to("releases/mine")

    with pytest.raises(TargetError, match="current is damaged: releases/mine is no revision"):
        revisions.current()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1}'])
def test_damaged_closure_is_named(tmp_path: Path, text: str) -> None:
    """The store has to be repaired, and Nix has the command."""
    closure = make(tmp_path / "one")
    (closure.path / "host.json").write_text(text)

    with pytest.raises(DeployError):
        closures.load(closure.path)


@pytest.mark.parametrize("port", ["8000", 0, 65536, None, [8000]])
def test_kept_port_that_is_none_is_named(folder: StateFolder, tmp_path: Path, port: object) -> None:
    """Another one would be another address of the service."""
    folder.write(folder.path / "port.json", {"port": port})
    processes = Processes(
        folder=folder,
        settings=settings.parse("local", {}, folder=tmp_path, state=tmp_path),
        revisions=RevisionStore(folder=folder),
    )

    with pytest.raises(TargetError, match=r"port\.json is damaged: "):
        processes.port()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can hand over folders")
def test_folders_of_root_are_where_names_are_looked_up(folder: StateFolder, tmp_path: Path) -> None:
    """A program can replace no folder, and puts no link where root writes; a link of root's own is followed."""
    (folder.path / "data" / "redis").rmdir()
    (folder.path / "data" / "redis").symlink_to(tmp_path / "disk")
    (tmp_path / "disk").mkdir()

    folder.prepare()

    for name in ("", "data", "logs", "run", "serve", "services", "settings", "settings/redis", "tasks"):
        found = (folder.path / name).stat()
        assert (found.st_uid, found.st_mode & 0o022) == (0, 0), name
    assert (tmp_path / "disk").stat().st_uid == folder.user(users.REDIS)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give folders away")
def test_root_writes_in_no_folder_of_another_user(folder: StateFolder) -> None:
    """He could exchange everything in it at any moment."""
    os.chown(folder.path, 1000, 1000)

    with pytest.raises(TargetError, match="belongs to the user with the ID 1000"):
        folder.prepare()


def test_output_goes_to_no_link(tmp_path: Path) -> None:
    """A log that is a link could lead to any file of root's."""
    (tmp_path / "log").symlink_to(tmp_path / "other")

    with pytest.raises(OSError, match="symbolic links"):
        process.run_limited(["/bin/true"], env={}, cwd=tmp_path, output=tmp_path / "log", limit=9)

    assert not (tmp_path / "other").exists()
