from __future__ import annotations

import dataclasses
import errno
import io
import json
import logging
import os
import subprocess
import sys
from typing import Never

import invoke
import pytest

from estiba import config
from estiba.errors import StaleLockError
from estiba.tasks.console import Console, Warnings, task

SETTINGS = dataclasses.replace(config.load(), color=False, interactive=False)


@pytest.fixture
def console(capsys: pytest.CaptureFixture[str]) -> Console:
    """Return a console as a pipe sees it."""
    del capsys  # captured before the console takes its streams
    return Console(SETTINGS)


def run(error: BaseException) -> int:
    """Run a task that raises and return its exit code."""

    @task
    def failing(_: invoke.Context) -> Never:
        raise error

    with pytest.raises(invoke.Exit) as caught:
        failing(invoke.Context())
    return caught.value.code


def test_known_error_is_a_message_and_a_code(capsys: pytest.CaptureFixture[str]) -> None:
    """An error meant for the user reaches standard error as its message, with its own exit code."""
    code = run(StaleLockError("estiba.lock is stale", hint="run `invoke lock`"))

    assert code == StaleLockError.exit_code
    assert capsys.readouterr() == ("", "error: estiba.lock is stale\n  hint: run `invoke lock`\n")


@pytest.mark.parametrize("program", ["estiba", "invoke"])
def test_hint_names_the_program_that_was_called(
    program: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder without a `tasks.py` has no `invoke`; the noun "invoke" alone is left as it is."""
    monkeypatch.setattr(sys, "argv", [f"/bin/{program}", "build"])
    run(StaleLockError("invoke: no lock", hint="run `invoke lock`"))

    assert capsys.readouterr().err == f"error: invoke: no lock\n  hint: run `{program} lock`\n"


def test_warnings_of_the_library_are_shown_once(console: Console, capsys: pytest.CaptureFixture[str]) -> None:
    """A command that builds three times tells once that a cache is down."""
    logger = logging.getLogger("of-this-test")
    logger.addHandler(Warnings(console.warn))
    for _ in range(3):
        logger.warning("the cache does not answer")
    logger.debug("run: nix build")

    assert capsys.readouterr().err.count("warning: the cache does not answer\n") == 1


def test_interrupt_that_knows_better_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    """A command that has changed something tells what is left of it."""
    assert run(KeyboardInterrupt("interrupted\n  release 3 is served again")) == 130
    assert capsys.readouterr().err == "error: interrupted\n  release 3 is served again\n"


def test_interrupt_says_that_nothing_changed(capsys: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C ends with one sentence and the exit code that shells give it."""
    assert run(KeyboardInterrupt()) == 130
    assert capsys.readouterr().err == "error: interrupted; files are as they were before the command\n"


def test_full_disk_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    """A full disk is told with the file that did not fit and what to do."""
    assert run(OSError(errno.ENOSPC, "No space left on device", "/data/estiba.lock")) == 1
    assert capsys.readouterr().err == (
        "error: disk full while writing /data/estiba.lock; files are as they were before the command\n"
        "  hint: free some space (`nix store gc` drops what no project uses), then run the command again\n"
    )


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS, errno.EIO, errno.ENOENT, errno.EINVAL])
def test_file_that_the_machine_refuses_is_a_sentence(capsys: pytest.CaptureFixture[str], code: int) -> None:
    """A file of another user, or of a file system that is read-only, is no bug of the command."""
    assert run(OSError(code, os.strerror(code), "/data/estiba.lock")) == 1
    assert capsys.readouterr().err == f"error: /data/estiba.lock: {os.strerror(code)}\n"


@pytest.mark.parametrize("error", [ValueError("bug"), PermissionError(errno.EACCES, "denied")], ids=["bug", "denied"])
def test_unknown_error_keeps_its_traceback(error: Exception) -> None:
    """What nobody expected is not dressed up."""

    @task
    def failing(_: invoke.Context) -> Never:
        raise error

    with pytest.raises(type(error)):
        failing(invoke.Context())


def test_options_reach_invoke() -> None:
    """The decorator takes the arguments of Invoke's own and keeps name, docstring and parameters."""

    @task(default=True, help={"fast": "Be quick."})
    def sail(_: invoke.Context, fast: bool = False) -> None:  # noqa: FBT001, FBT002 - Invoke makes a flag of it
        """Leave the harbour."""

    assert (sail.name, sail.__doc__, sail.is_default) == ("sail", "Leave the harbour.", True)
    assert [argument.help for argument in sail.get_arguments()] == ["Be quick.", "Show this help and exit."]
    sail(invoke.Context(), fast=True, help=False)


def test_json_is_one_sorted_line(console: Console, capsys: pytest.CaptureFixture[str]) -> None:
    """JSON goes to standard output, as one object with sorted keys."""
    console.json({"path": "/año", "digest": "sha256:0"})

    out, err = capsys.readouterr()
    assert (out, err) == ('{"digest": "sha256:0", "path": "/año"}\n', "")
    assert json.loads(out)["path"] == "/año"


def test_table_is_aligned(console: Console, capsys: pytest.CaptureFixture[str]) -> None:
    """Text is aligned to the left, numbers to the right, and no line ends in blanks."""
    console.table(["layer", "size"], [["base", 18], ["app", 1024]])

    assert capsys.readouterr().out == "layer  size\nbase     18\napp    1024\n"


def test_empty_table_has_a_header(console: Console, capsys: pytest.CaptureFixture[str]) -> None:
    """A table without rows still says what it would hold."""
    console.table(["layer", "size"], [])

    assert capsys.readouterr().out == "layer  size\n"


def test_talk_stays_off_standard_output(console: Console, capsys: pytest.CaptureFixture[str]) -> None:
    """Talk and warnings go to standard error, and square brackets are text."""
    console.say("reading [tool.estiba]")
    console.warn("old lock")

    assert capsys.readouterr() == ("", "reading [tool.estiba]\nwarning: old lock\n")


def test_step_without_terminal_is_two_lines(console: Console, capsys: pytest.CaptureFixture[str]) -> None:
    """A step says when it starts and how long it took."""
    with console.step("lock") as note:
        note("resolving django")

    first, second = capsys.readouterr().err.splitlines()
    assert first == "lock ..."
    assert second.startswith("lock: done in 0.")


def test_failed_step_says_so(console: Console, capsys: pytest.CaptureFixture[str]) -> None:
    """A step that raises is reported as failed, and the error goes on."""
    with pytest.raises(StaleLockError), console.step("lock"):
        raise StaleLockError("stale")

    assert capsys.readouterr().err.splitlines()[1].startswith("lock: failed in ")


def test_progress_without_terminal_is_a_line_per_tenth(console: Console, capsys: pytest.CaptureFixture[str]) -> None:
    """Where nothing can be redrawn, at most ten lines say how far the job is."""
    with console.progress("fetch", total=40) as advance:
        for _ in range(40):
            advance(1)

    lines = capsys.readouterr().err.splitlines()
    assert (len(lines), lines[0], lines[-1]) == (10, "fetch: 4 of 40", "fetch: 40 of 40")


def test_progress_of_bytes_is_in_megabytes(console: Console, capsys: pytest.CaptureFixture[str]) -> None:
    """Sizes are told in a unit that people read."""
    with console.progress("push", total=3_000_000, unit="bytes") as advance:
        advance(3_000_000)

    assert capsys.readouterr().err == "push: 3.0 MB of 3.0 MB\n"


def test_no_colour_codes_in_a_pipe(console: Console, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing but text reaches a pipe."""
    console.fail("no")

    assert io.StringIO(capsys.readouterr().err).read() == "error: no\n"


def test_output_that_nobody_reads_ends_the_task_in_silence() -> None:
    """As `| head -1` does; the exit code is the one that shells give."""
    code = "import invoke, sys; from estiba.tasks.console import console\n"
    code += "try: console.result('one')\nexcept invoke.Exit as ended: sys.exit(ended.code)"
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run([sys.executable, "-c", code], stdout=writer, stderr=subprocess.PIPE, check=False)
    finally:
        os.close(writer)

    assert (done.returncode, done.stderr) == (141, b"")
