from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING, Any

from tests.launcher import Here

from bench import Bench

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    import pytest


def test_check_reports_a_failure(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The exit code is the outcome; the output is in the check's log and in the build's."""
    argv = [sys.executable, "-c", "import os, sys; print('two', os.environ['WHO'], flush=True); sys.exit(3)"]

    here = Here()

    outcome = Bench(root=here, out=tmp_path).check("tests", argv, {"WHO": "you"})

    assert here.folders == {"/app"}
    assert (outcome.name, outcome.code, outcome.log) == ("tests", 3, "tests.log")
    assert (tmp_path / "tests.log").read_text() == "two you\n"
    said = capfd.readouterr().err
    assert re.fullmatch(r"check tests: running\ntwo you\ncheck tests: failed with 3 in [\d.]+ s\n", said)


def test_output_of_what_ends_at_once_is_shown(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Also where it has ended before anybody looks."""

    class Late(Here):
        def popen(self, argv: list[str], **options: Any) -> subprocess.Popen[bytes]:  # noqa: ANN401 - as `Here` takes them
            child = super().popen(argv, **options)
            os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
            return child

    code = Bench(root=Late(), out=tmp_path).run("tests", [sys.executable, "-c", "print('done')"], {})

    assert (code, capfd.readouterr().err) == (0, "done\n")


def test_run_does_not_wait_for_what_a_test_leaves_behind(tmp_path: Path) -> None:
    """A process in the background that keeps the output open does not hold up the check."""
    child = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(30)'])"

    outcome = Bench(root=Here(), out=tmp_path).check("tests", [sys.executable, "-c", child], {})

    assert outcome.code == 0
    assert outcome.seconds < 25


def test_run_appends(tmp_path: Path) -> None:
    """Commands with one log write one after the other, and only what is new is shown."""
    bench = Bench(root=Here(), out=tmp_path)

    codes = [bench.run("coverage", [sys.executable, "-c", f"print({number})"], {}) for number in (1, 2)]

    assert codes == [0, 0]
    assert (tmp_path / "coverage.log").read_text() == "1\n2\n"
