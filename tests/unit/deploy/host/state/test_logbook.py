from __future__ import annotations

import fcntl
import stat
import threading
from typing import TYPE_CHECKING

import pytest

from estiba.deploy import log_lines
from estiba.deploy.host.state import target_lock
from estiba.deploy.host.state.folder import StateFolder
from estiba.deploy.host.state.logbook import FileLogbook
from estiba.deploy.logbook import Record
from estiba.errors import BusyError

if TYPE_CHECKING:
    from pathlib import Path

OUTPUT = """\
Operations to perform:
  Apply all migrations: shop
Running migrations:
  Applying shop.0001_initial... OK
  Applying shop.0002_price... OK
  Applying shop.0003_stock...Traceback
"""


@pytest.fixture
def folder(tmp_path: Path) -> StateFolder:
    """Return a target's folder."""
    made = StateFolder.at(tmp_path)
    made.prepare()
    return made


def test_journal_is_open_until_the_logbook_has_the_line(folder: StateFolder) -> None:
    """What is under way is in the journal, what is over is in the logbook."""
    logbook, record = FileLogbook(folder=folder), Record.begin("deploy")
    logbook.open(record)
    assert logbook.interrupted() == record

    ended = record.end("deployed", migrations=("shop.0001_initial",))
    logbook.close(ended)

    assert logbook.interrupted() is None
    assert logbook.records() == [ended]


def test_logs_and_reasons_are_not_for_everybody(folder: StateFolder) -> None:
    """The reason of a failure has lines of a log in it, and so has the evidence."""
    FileLogbook(folder=folder).close(Record.begin("deploy").end("failed", reason="password=secret"))

    assert stat.S_IMODE((folder.path / "logbook.jsonl").stat().st_mode) == 0o600
    assert stat.S_IMODE((folder.path / "evidence").stat().st_mode) == 0o700


def test_line_that_was_cut_short_is_left_out(folder: StateFolder) -> None:
    """A disk that was full for a while does not cost the whole logbook."""
    logbook, record = FileLogbook(folder=folder), Record.begin("down").end("down")
    logbook.close(record)
    with (folder.path / "logbook.jsonl").open("a") as file:
        file.write('{"command": "dep')
    assert logbook.records() == [record]

    logbook.close(record)

    assert logbook.records() == [record, record]


def test_second_one_is_told_who_works(folder: StateFolder) -> None:
    """The holder of the lock is named with user, command and process."""
    owner = Record.begin("deploy").to_dict()
    with target_lock.acquire(folder, {**owner, "user": "grace", "pid": 7}):
        assert target_lock.is_held(folder)
        with pytest.raises(BusyError) as caught:
            target_lock.acquire(folder, owner).__enter__()

    assert str(caught.value).startswith("grace runs deploy here since 2")
    assert "(process 7)" in str(caught.value)
    assert not target_lock.is_held(folder)


def test_who_only_looks_is_not_in_the_way(folder: StateFolder) -> None:
    """Somebody who asks whether a command is at work has the lock for a moment; no command fails by that."""
    with target_lock.acquire(folder, {}):
        pass
    with (folder.path / "lock").open() as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        threading.Timer(0.05, fcntl.flock, (looking, fcntl.LOCK_UN)).start()
        with target_lock.acquire(folder, {}):
            assert target_lock.is_held(folder)


def test_what_blocks_inside_is_no_other_command(folder: StateFolder) -> None:
    """An error of the command itself is told as what it is."""
    with pytest.raises(BlockingIOError), target_lock.acquire(folder, {}):
        raise BlockingIOError


def test_applied_migrations_are_those_that_were_finished() -> None:
    """The one that failed is not among them."""
    assert log_lines.find_applied(OUTPUT) == ("shop.0001_initial", "shop.0002_price")
