"""A runner that records commands and answers them from a list."""

from __future__ import annotations

from typing import TYPE_CHECKING

from estiba.errors import CommandError
from estiba.process import Completed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path


class RecordingRunner:
    """Stands in for `estiba.process.run`: notes every argv, answers in turn, runs nothing.

    An answer is the standard output, or an exit code other than 0.
    """

    def __init__(self, *answers: str | int) -> None:
        self.calls: list[list[str]] = []
        self._answers = list(answers)

    def __call__(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        stdin: str | None = None,
        check: bool = True,
        on_line: Callable[[str], None] | None = None,
    ) -> Completed:
        """Note the command and give the next answer."""
        del env, cwd, stdin, on_line
        self.calls.append(list(argv))
        answer = self._answers.pop(0) if self._answers else ""
        code, stdout = (answer, "") if isinstance(answer, int) else (0, answer)
        if check and code:
            raise CommandError(argv, code, "")
        return Completed(argv=tuple(argv), code=code, stdout=stdout, tail="")
