from __future__ import annotations

import multiprocessing
import os
import signal
from typing import TYPE_CHECKING

import pytest

from estiba.errors import BusyError
from estiba.lock import files

if TYPE_CHECKING:
    from pathlib import Path


def test_write_changes_all_and_leaves_nothing_behind(tmp_path: Path) -> None:
    """New texts replace old ones, an empty text removes its file, temporary files are gone, modes stay."""
    (tmp_path / "a").write_text("old")
    (tmp_path / "a").chmod(0o640)
    (tmp_path / "b").write_text("old")
    files.write(tmp_path, {"a": "new", "b": "", "c": "new"})

    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a": "new", "c": "new"}
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_read_takes_missing_files_for_empty(tmp_path: Path) -> None:
    """There may be no lock yet."""
    (tmp_path / "a").write_text("x")

    assert files.read(tmp_path, ["a", "b"]) == {"a": "x", "b": ""}


def test_only_one_at_a_time(tmp_path: Path) -> None:
    """The second process gives up at once and says why; afterwards the folder is as it was."""
    with (
        files.exclusive(tmp_path),
        pytest.raises(BusyError, match="another invoke lock works on"),
        files.exclusive(tmp_path),
    ):
        pass
    with files.exclusive(tmp_path):
        assert list(tmp_path.iterdir()) == []


def interrupt_while_replacing(folder: Path) -> None:
    """Send this process SIGINT just when the first of two files has been replaced."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    replace = type(folder).replace

    def slow(self: Path, target: Path) -> Path:
        done = replace(self, target)
        os.kill(os.getpid(), signal.SIGINT)
        return done

    type(folder).replace = slow  # type: ignore[method-assign,assignment]
    try:
        files.write(folder, {"a": "new", "b": "new"})
    except KeyboardInterrupt:
        os._exit(7)
    os._exit(1)


def test_an_interruption_comes_after_the_last_file(tmp_path: Path) -> None:
    """Ctrl-C between two files takes effect when both are there."""
    (tmp_path / "a").write_text("old")
    (tmp_path / "b").write_text("old")
    child = multiprocessing.get_context("fork").Process(target=interrupt_while_replacing, args=(tmp_path,))
    child.start()
    child.join(30)

    assert child.exitcode == 7
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a": "new", "b": "new"}


def test_pipe_in_place_of_a_lock_is_not_waited_for(tmp_path: Path) -> None:
    """Nobody may ever write to it."""
    os.mkfifo(tmp_path / "estiba.lock")

    with pytest.raises(OSError, match="Not a regular file"):
        files.read(tmp_path, ["estiba.lock"])
