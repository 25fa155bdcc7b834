"""Console output and exit codes: results on standard output, progress and messages on standard error."""

from __future__ import annotations

import errno
import functools
import json
import logging
import os
import re
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, ParamSpec, TypeVar, overload

import invoke

from estiba import config
from estiba.errors import EstibaError
from estiba.tasks import options as task_options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from invoke import Task
    from rich.console import Console as RichConsole

    from estiba.config import Config

INTERRUPTED: Final = 130
"""Exit code after Ctrl-C, as shells give it."""

UNREAD: Final = 141
"""Exit code if the reader of standard output has gone, as shells give it for SIGPIPE."""

_PLAIN_INTERVAL: Final = 5.0
"""Seconds between two progress lines where no terminal redraws them."""

_MACHINE: Final = frozenset(
    {
        errno.EACCES,
        errno.EDQUOT,
        errno.EINVAL,
        errno.EIO,
        errno.EISDIR,
        errno.ELOOP,
        errno.ENAMETOOLONG,
        errno.ENOENT,
        errno.ENOSPC,
        errno.ENOTDIR,
        errno.EPERM,
        errno.EROFS,
    }
)
"""Errors of a path that the user names, of a file system's state, and of its permissions."""

_COMMAND: Final = re.compile(r"\binvoke(?= [a-z])")
"""`invoke` before the name of a task."""

_P = ParamSpec("_P")
_R = TypeVar("_R")


class Console:
    """Output to the user: `result`, `json` and `table` on standard output, everything else on standard error.

    Progress is redrawn on a terminal, with colours unless `NO_COLOR` is set; otherwise it is plain lines.
    """

    def __init__(self, settings: Config) -> None:
        self._live = settings.interactive
        self._color = settings.color

    @functools.cached_property
    def _err(self) -> RichConsole:
        """Rich console on standard error, for terminals only; imported late, since the import takes time."""
        from rich.console import Console as RichConsole  # noqa: PLC0415

        return RichConsole(stderr=True, no_color=not self._color, highlight=False, soft_wrap=True)

    def _write(self, text: str, style: str = "") -> None:
        if self._live:
            self._err.print(text, style=style, markup=False)
        else:
            print(text, file=sys.stderr)

    def result(self, text: str) -> None:
        """Print a result on standard output."""
        _print(text)

    def json(self, data: Mapping[str, Any]) -> None:
        """Print one JSON object on standard output."""
        _print(json.dumps(data, sort_keys=True, ensure_ascii=False))

    def changed(self, names: Sequence[str], *, as_json: bool) -> None:
        """Print the names of rendered files that changed, as results or as one JSON object."""
        if as_json:
            self.json({"changed": list(names)})
            return
        for name in names:
            self.result(name)
        self.say(f"{len(names)} files changed")

    def table(self, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Print aligned columns on standard output; columns that hold only numbers are aligned to the right."""
        texts = [[str(cell) for cell in row] for row in rows]
        widths = [max(map(len, column)) for column in zip(header, *texts, strict=True)]
        right = [
            bool(rows) and all(isinstance(row[index], int | float) for row in rows) for index in range(len(header))
        ]
        for line in (list(header), *texts):
            cells = (
                cell.rjust(width) if flush else cell.ljust(width)
                for cell, width, flush in zip(line, widths, right or [False] * len(widths), strict=True)
            )
            _print("  ".join(cells).rstrip())

    def say(self, text: str) -> None:
        """Print a message on standard error."""
        self._write(text)

    def warn(self, text: str) -> None:
        """Print a warning on standard error."""
        self._write(f"warning: {text}", "yellow")

    def fail(self, text: str) -> None:
        """Print an error on standard error."""
        self._write(f"error: {text}", "red")

    @contextmanager
    def step(self, label: str) -> Iterator[Callable[[str], None]]:
        """Print the start of a step, and its duration at the end; yields a callback for lines of progress.

        On a terminal the latest line is redrawn; elsewhere one is printed every `_PLAIN_INTERVAL` seconds.
        """
        started = time.monotonic()
        outcome, style = "failed", "red"
        try:
            if self._live:
                with self._err.status(label) as status:
                    yield lambda line: status.update(f"{label}  [dim]{_shorten(line)}[/dim]")
            else:
                self.say(f"{label} ...")
                yield _Paced(lambda line: self.say(f"{label}: {line}"))
            outcome, style = "done", "green"
        finally:
            self._write(f"{label}: {outcome} in {time.monotonic() - started:.1f} s", style)

    @contextmanager
    def progress(
        self, label: str, *, total: int, unit: Literal["items", "bytes"] = "items"
    ) -> Iterator[Callable[[int], None]]:
        """Show the progress of a job; yields a thread-safe callback for the amount done since the last call.

        Args:
            label: Name of the job.
            total: Amount of the whole job.
            unit: Unit of the amounts.
        """
        if not self._live:
            yield _PlainProgress(label, total=total, unit=unit, say=self.say)
            return
        # Imported here, since most commands show no progress and would wait for the import.
        from rich.progress import (  # noqa: PLC0415
            BarColumn,
            DownloadColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
        )

        amount = DownloadColumn() if unit == "bytes" else MofNCompleteColumn()
        columns = (TextColumn("{task.description}"), BarColumn(), amount, TimeElapsedColumn())
        with Progress(*columns, console=self._err, transient=True) as bar:
            job = bar.add_task(label, total=total)
            yield lambda done: bar.advance(job, done)


def _print(text: str) -> None:
    """Print on standard output; end the task without a message if nobody reads it any more, as after `| head -1`."""
    try:
        print(text, flush=True)
    except BrokenPipeError as error:
        # Python flushes what is left at its exit, and would complain again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise invoke.Exit(code=UNREAD) from error


class Warnings(logging.Handler):
    """Logging handler that prints the warnings of the library, each once."""

    def __init__(self, warn: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._warn = warn
        self._said: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Print a warning."""
        text = record.getMessage()
        if text not in self._said:
            self._said.add(text)
            self._warn(text)


class _Paced:
    """Callback that passes on at most one line per `_PLAIN_INTERVAL`, and none twice in a row."""

    def __init__(self, sink: Callable[[str], None]) -> None:
        self._sink = sink
        self._said = ""
        self._last = time.monotonic()
        self._lock = threading.Lock()

    def __call__(self, line: str) -> None:
        with self._lock:
            if line != self._said and time.monotonic() - self._last >= _PLAIN_INTERVAL:
                self._last, self._said = time.monotonic(), line
                self._sink(line)


class _PlainProgress:
    """Callback that prints a line at each tenth of the total."""

    def __init__(self, label: str, *, total: int, unit: str, say: Callable[[str], None]) -> None:
        self._label, self._total, self._unit, self._say = label, total, unit, say
        self._done = 0
        self._tenth = 0
        self._lock = threading.Lock()

    def __call__(self, done: int) -> None:
        with self._lock:
            self._done += done
            tenth = 10 * self._done // max(self._total, 1)
            if tenth > self._tenth:
                self._tenth = tenth
                self._say(f"{self._label}: {self._amount(self._done)} of {self._amount(self._total)}")

    def _amount(self, number: int) -> str:
        return f"{number / 1e6:.1f} MB" if self._unit == "bytes" else str(number)


def _shorten(line: str, limit: int = 100) -> str:
    # Rich would take a bracket for markup.
    escaped = line.strip().replace("[", r"\[")
    return escaped if len(escaped) <= limit else f"{escaped[:limit]}…"


console: Final = Console(config.load())
"""Console of this process."""

logging.getLogger("estiba").addHandler(Warnings(console.warn))


@overload
def task(body: Callable[_P, _R], /) -> Task[Callable[_P, _R]]: ...
@overload
def task(**options: Any) -> Callable[[Callable[_P, _R]], Task[Callable[_P, _R]]]: ...  # noqa: ANN401 - those of invoke.task
def task(*bodies: Callable[_P, _R], **options: Any) -> Any:
    """Declare an Invoke task whose errors are printed as one message and set the exit code.

    Takes the keyword arguments of `invoke.task`. Exceptions other than `EstibaError` and errors of the machine are
    bugs, and keep their traceback.
    """
    declare = invoke.task(klass=task_options.Task, **options)
    return declare(_guarded(bodies[0])) if bodies else lambda body: declare(_guarded(body))


def _guarded(body: Callable[_P, _R]) -> Callable[_P, _R]:
    @functools.wraps(body)
    def guarded(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            return body(*args, **kwargs)
        except EstibaError as error:
            console.fail(name_program(str(error)))
            raise invoke.Exit(code=error.exit_code) from error
        except KeyboardInterrupt as error:
            console.fail(str(error) or "interrupted; files are as they were before the command")
            raise invoke.Exit(code=INTERRUPTED) from error
        except OSError as error:
            # Errors of the machine can happen at any file, and are no bugs.
            if error.errno not in _MACHINE or (error.errno != errno.ENOSPC and not error.filename):
                raise
            console.fail(_disk_full(error) if error.errno == errno.ENOSPC else f"{error.filename}: {error.strerror}")
            raise invoke.Exit(code=1) from error

    return guarded


def name_program(text: str) -> str:
    """Return a message whose commands are those of the program that was called: `estiba`, or `invoke`.

    The library says `invoke TASK`, which only works in a folder with a `tasks.py`.
    """
    return _COMMAND.sub("estiba", text) if Path(sys.argv[0]).name == "estiba" else text


def _disk_full(error: OSError) -> str:
    where = f" while writing {error.filename}" if error.filename else ""
    return (
        f"disk full{where}; files are as they were before the command\n"
        "  hint: free some space (`nix store gc` drops what no project uses), then run the command again"
    )


def leave(code: int) -> None:
    """Exit with a code other than 0, without a message; return for 0."""
    if code:
        sys.stdout.flush()
        raise invoke.Exit(code=code)
