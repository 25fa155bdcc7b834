from __future__ import annotations

import json
from typing import TYPE_CHECKING

import start

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_what_is_started_is_written_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever changes the program later can see what still runs."""
    monkeypatch.chdir(tmp_path)

    start.note_start('{"argv": ["/bin/true"]}')

    assert json.loads((tmp_path / "started.json").read_text()) == {"argv": ["/bin/true"]}


def test_what_cannot_be_written_down_is_not_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program starts on a full disk too, and an earlier note does not stand for it."""
    monkeypatch.chdir(tmp_path)
    start.note_start("earlier")
    (tmp_path / "started.json.new").mkdir()

    start.note_start("later")

    assert not (tmp_path / "started.json").exists()
