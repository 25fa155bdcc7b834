"""Command line of the server's program: what a command of another machine asks for, over one connection."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from estiba import process
from estiba.deploy.server import jobs
from estiba.deploy.server import request as requests
from estiba.deploy.ssh import codec
from estiba.errors import EstibaError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from estiba.config import Config

_INTERRUPTED: Final = 130


def main(program: str, words: Sequence[str], config: Config) -> int:
    """Run the program, which writes an outcome to standard output and progress to standard error, as JSON.

    Args:
        program: Its own path.
        words: `run NAME SEEN`, which begins the command of a request on standard input, unless it has begun, and
            follows it from a line of its progress on; `interrupt NAME`; `put NAME`, and after it `attach NAME`, which
            runs the request on the terminal, or `logs NAME`; `call`, which runs one and ends with the connection;
            `work NAME`, which `run` starts.
        config: Configuration from the environment.

    Returns:
        The exit code.
    """
    try:
        with process.interruptible():
            return _run(program, words, config)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except (EstibaError, OSError) as error:
        return _say({"error": codec.describe(error)})


def _run(program: str, words: Sequence[str], config: Config) -> int:
    verb, name, *more = [*words, ""]
    if verb == "call":
        return _call(config)
    job = jobs.locate(name, config)
    if verb == "run":
        return _follow(job, int(more[0]), program, config)
    known: Mapping[str, Callable[[Path, Config], int]] = {
        "attach": _attach,
        "interrupt": _interrupt,
        "logs": _show_logs,
        "put": _put,
        "work": _work,
    }
    if verb not in known:
        msg = f"no {verb!r} here"
        raise UsageError(msg)
    return known[verb](job, config)


def _call(config: Config) -> int:
    _end_with_connection()
    request = requests.parse(sys.stdin.read())
    with tempfile.TemporaryDirectory(prefix="estiba-") as scratch:
        target = requests.make_target(request, config, Path(scratch))
        return _say(requests.execute(request, target, _report))


def _follow(job: Path, seen: int, program: str, config: Config) -> int:
    if request := jobs.put(job, sys.stdin.read()):
        jobs.begin(job, request.user, program, config)
    # Not before: what has arrived begins, also if the connection is lost at that moment.
    _end_with_connection()
    _report({"begun": job.name})
    return _say(jobs.follow(job, seen, sys.stderr))


def _work(job: Path, config: Config) -> int:
    jobs.work(job, config)
    return 0


def _interrupt(job: Path, _: Config) -> int:
    return _say({"result": jobs.interrupt(job)})


def _put(job: Path, _: Config) -> int:
    jobs.put(job, sys.stdin.read())
    return _say({"result": None})


def _attach(job: Path, config: Config) -> int:
    # Ctrl-C is for the command, which may be a shell; a handler, since a child would inherit that it is ignored.
    signal.signal(signal.SIGINT, lambda *_: None)
    try:
        request = jobs.take(job)
        return requests.make_target(request, config, job).attach(request.arguments["args"])
    except (EstibaError, OSError) as error:
        found = codec.explain(error)
        sys.stderr.write(f"error: {found}\n")
        return found.exit_code
    finally:
        jobs.discard(job)


def _show_logs(job: Path, config: Config) -> int:
    _end_with_connection()
    try:
        request = jobs.take(job)
        for line in requests.make_target(request, config, job).logs(**request.arguments):
            _say({"line": line})
    finally:
        jobs.discard(job)
    return 0


def _say(outcome: Mapping[str, Any]) -> int:
    sys.stdout.write(json.dumps(dict(outcome)) + "\n")
    sys.stdout.flush()
    return 0


def _report(line: Mapping[str, str]) -> None:
    sys.stderr.write(json.dumps(dict(line)) + "\n")
    sys.stderr.flush()


def _end_with_connection() -> None:
    """End this process when nobody reads its output any more, as it would else wait for something to write."""

    def watch() -> None:
        connection = select.poll()
        # Without an event that is asked for there are those of an end alone.
        connection.register(sys.stdout, 0)
        with contextlib.suppress(OSError):
            connection.poll()
            os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()
