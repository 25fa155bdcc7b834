"""Where checks run: commands in a root, with their output in log files and in the build's log."""

import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from services import Launcher

_INTERVAL = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one check ended: its name, the exit code, the time it took, and the file name of its log."""

    name: str
    code: int
    seconds: float
    log: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A root and a folder for logs and reports."""

    root: Launcher
    out: Path

    def check(self, name: str, argv: list[str], env: dict[str, str]) -> Outcome:
        """Run one check and say how it ended."""
        _say(f"check {name}: running")
        began = time.monotonic()
        code = self.run(name, argv, env)
        seconds = round(time.monotonic() - began, 2)
        _say(f"check {name}: {'passed' if code == 0 else f'failed with {code}'} in {seconds} s")
        return Outcome(name=name, code=code, seconds=seconds, log=f"{name}.log")

    def run(self, name: str, argv: list[str], env: dict[str, str]) -> int:
        """Run a command to its end, append its output to a log, and return its exit code."""
        log = self.out / f"{name}.log"
        with log.open("ab") as written, log.open("rb") as shown:
            shown.seek(0, 2)
            child = self.root.popen(argv, cwd="/app", env=env, output=written)
            # Not a pipe: a process that a test leaves behind would keep it open.
            code = None
            while code is None:
                with suppress(subprocess.TimeoutExpired):
                    code = child.wait(_INTERVAL)
                # Also of one that has ended before it was waited for.
                sys.stderr.write(shown.read().decode(errors="replace"))
                sys.stderr.flush()
        return code


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
