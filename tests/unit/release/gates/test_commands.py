from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.recording import RecordingRunner
from tests.services.gates import make_context

from estiba.errors import GateError
from estiba.release.gates.commands import lint

if TYPE_CHECKING:
    from pathlib import Path


def test_every_command_is_run(tmp_path: Path) -> None:
    """Each in the folder of the service, with a limit."""
    commands = [["ruff", "check", "."], ["mypy", "."]]
    runner = RecordingRunner()
    context = make_context(tmp_path, gates={"lint": {"commands": commands, "limit": 5}}, runner=runner)

    assert lint(context) == {"commands": commands}
    assert runner.calls == [["timeout", "--kill-after=5", "5", *command] for command in commands]


def test_failures_are_all_shown(tmp_path: Path) -> None:
    """The message has what each command says."""
    commands = [["sh", "-c", "echo one; exit 3"], ["true"], ["sh", "-c", "echo two >&2; exit 4"]]

    with pytest.raises(GateError, match=r"(?s)exited with 3\none\n.*exited with 4\ntwo"):
        lint(make_context(tmp_path, gates={"lint": {"commands": commands}}))


def test_command_that_hangs_is_ended(tmp_path: Path) -> None:
    """A gate without an answer refuses."""
    with pytest.raises(GateError, match=r"sleep 60 did not end within 0.1 s"):
        lint(make_context(tmp_path, gates={"lint": {"commands": [["sleep", "60"]], "limit": 0.1}}))


def test_missing_program_is_a_refusal(tmp_path: Path) -> None:
    """The hint says where programs come from."""
    with pytest.raises(GateError, match=r"no-such-linter cannot be run") as caught:
        lint(make_context(tmp_path, gates={"lint": {"commands": [["no-such-linter"]]}}))
    assert "dev group" in caught.value.hint
