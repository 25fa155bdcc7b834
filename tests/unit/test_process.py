from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

import pytest

from estiba.errors import CommandError, MissingProgramError
from estiba.process import interruptible, run, run_interactive

if TYPE_CHECKING:
    from pathlib import Path


def python(code: str) -> list[str]:
    """Return the command that runs a line of Python."""
    return [sys.executable, "-c", code]


def test_standard_output_is_captured() -> None:
    """The result of a command is its standard output."""
    assert run(python("print('ahoy')")).stdout == "ahoy\n"


def test_standard_input_is_fed() -> None:
    """Text given as input arrives whole, also when it is larger than a pipe."""
    text = "cargo\n" * 50_000

    assert run(python("import sys; sys.stdout.write(sys.stdin.read())"), stdin=text).stdout == text


def test_child_that_ignores_its_input_is_fine() -> None:
    """A command may end without reading its input."""
    assert run(python("pass"), stdin="x" * 1_000_000).code == 0


def test_listener_that_fails_stops_no_child() -> None:
    """A child that goes on talking ends as it would have, and then the listener's error is raised."""

    def listen(_: str) -> None:
        msg = "no space"
        raise OSError(msg)

    talk = "import sys; [print('x' * 1000, file=sys.stderr) for _ in range(2000)]; print('done')"
    with pytest.raises(OSError, match="no space"):
        run(python(talk), on_line=listen)


def test_another_program_takes_the_place() -> None:
    """Signals of the terminal reach the other program itself, for it is this same process."""
    say = "import os; print(os.getpid(), flush=True)"
    become = f"import sys; from estiba.process import exec_program; exec_program([sys.executable, '-c', {say!r}])"
    before, after = run(python(f"{say}; {become}")).stdout.split()

    assert after == before


def test_environment_is_the_given_one() -> None:
    """The child sees only the environment it is given."""
    assert (
        run(python("import os; print(os.environ.get('A'), 'HOME' in os.environ)"), env={"A": "1"}).stdout == "1 False\n"
    )


def test_working_directory_is_the_given_one(tmp_path: Path) -> None:
    """The child starts in the folder it is given."""
    assert run(python("import os; print(os.getcwd())"), cwd=tmp_path).stdout.strip() == str(tmp_path)


def test_failure_carries_the_last_lines() -> None:
    """A failed command raises with exit code and the last 20 lines of standard error."""
    with pytest.raises(CommandError) as caught:
        run(python("import sys; [print(n, file=sys.stderr) for n in range(30)]; sys.exit(3)"))

    assert caught.value.code == 3
    assert caught.value.tail.split() == [str(number) for number in range(10, 30)]


def test_failure_is_data_when_not_checked() -> None:
    """With `check` off the exit code is part of the result."""
    assert run(python("raise SystemExit(4)"), check=False).code == 4


def test_every_line_of_the_log_is_passed_on() -> None:
    """`on_line` sees all lines of standard error, without newlines."""
    lines: list[str] = []

    run(python("import sys; print('one', file=sys.stderr); print('two', file=sys.stderr)"), on_line=lines.append)

    assert lines == ["one", "two"]


@pytest.mark.parametrize("runner", [run, run_interactive], ids=["run", "replace"])
def test_missing_program_is_named(runner: type) -> None:
    """A program that does not exist is an error of its own that says what to do."""
    with pytest.raises(MissingProgramError) as caught:
        runner(["no-such-program-here"])

    assert str(caught.value) == (
        "program not found: no-such-program-here\n  hint: enter the development shell first: ./nixw develop"
    )


def test_missing_folder_is_not_a_missing_program(tmp_path: Path) -> None:
    """A working directory that does not exist is not blamed on the program."""
    with pytest.raises(FileNotFoundError):
        run(python("pass"), cwd=tmp_path / "gone")


def test_replace_returns_the_exit_code() -> None:
    """An interactive command gives its exit code back."""
    assert run_interactive(python("raise SystemExit(5)")) == 5


def test_first_signal_of_a_ci_system_interrupts_and_no_later_one() -> None:
    """SIGTERM is Ctrl-C once; while things are put back, it is ignored, and a second Ctrl-C is not."""
    with interruptible():
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
