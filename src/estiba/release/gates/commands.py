"""Commands that the settings of a gate name, with a time limit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from estiba.errors import CommandError, GateError, MissingProgramError
from estiba.release.gates.gate import Key, is_texts, number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from estiba.process import Completed
    from estiba.release.gates.gate import Context

LINT_KEYS: Final[Mapping[str, Key]] = {
    "commands": Key(
        wanted="a list of commands such as [['ruff', 'check', '.']], each a list of words",
        is_valid=lambda value: isinstance(value, list) and bool(value) and all(map(is_texts, value)),
        is_required=True,
    ),
    "limit": number("seconds", 1),
}

_LIMIT: Final = 600
_TIMED_OUT: Final = 124
"""Exit code of timeout(1) at its limit."""
_KILLED: Final = 137
_LINES: Final = 20


def lint(context: Context) -> dict[str, Any]:
    """Require that each command of the settings exits with 0, in the folder of the service; evidence: the commands."""
    options = context.options("lint")
    commands = options["commands"]
    problems = []
    for argv in commands:
        done = run_limited(context, "lint", argv, options.get("limit", _LIMIT))
        if done.code:
            shown = "\n".join(done.stdout.splitlines()[-_LINES:]) or done.tail
            problems.append(f"{' '.join(argv)} exited with {done.code}\n{shown}")
    if problems:
        gate = "lint"
        raise GateError(gate, "\n".join(problems), hint="run the same command here")
    return {"commands": [list(argv) for argv in commands]}


def run_limited(context: Context, gate: str, argv: Sequence[str], limit: float) -> Completed:
    """Run a command in the folder of the service, and return its result whatever its exit code is.

    Args:
        context: What the gate looks at.
        gate: Name of the gate.
        argv: Command and arguments.
        limit: Time limit in seconds.

    Raises:
        GateError: The program does not exist, or the command did not end within the limit.
    """
    # timeout(1) and not a thread of ours: it reaches what the command has started, too.
    limited = ["timeout", "--kill-after=5", str(limit), *argv]
    try:
        done = context.runner(limited, cwd=context.folder, check=False)
    except (CommandError, MissingProgramError) as error:
        raise GateError(gate, error.message, hint=error.hint) from error
    # timeout(1) exits with 127 where the command does not exist, and with 126 where it is no program.
    if done.code in {126, 127}:
        msg = f"{argv[0]} cannot be run: {done.tail}"
        raise GateError(gate, msg, hint="add it to the dev group of [dependency-groups], or to [tool.estiba] debian")
    if done.code in {_TIMED_OUT, _KILLED}:
        msg = f"{' '.join(argv)} did not end within {limit} s"
        raise GateError(gate, msg, hint=f"`limit` in [tool.estiba.release.gates.{gate}] is its time limit in seconds")
    return done
