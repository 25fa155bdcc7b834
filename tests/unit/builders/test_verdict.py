from __future__ import annotations

import json
from typing import TYPE_CHECKING

from verdict import explain

if TYPE_CHECKING:
    from pathlib import Path


def write(folder: Path, codes: dict[str, int]) -> Path:
    """Write the results of checks whose logs have a hundred numbered lines."""
    checks = [{"code": code, "log": f"{name}.log", "name": name, "seconds": 1} for name, code in codes.items()]
    (folder / "result.json").write_text(json.dumps({"checks": checks}))
    for name in codes:
        (folder / f"{name}.log").write_text("".join(f"{name} {number}\n" for number in range(100)))
    return folder


def test_explain_nothing(tmp_path: Path) -> None:
    """Passed checks need no words."""
    assert explain(write(tmp_path, {"deploy": 0, "tests": 0})) == ""


def test_explain_failures(tmp_path: Path) -> None:
    """Every failed check shows the end of its log; the last line sums up, as Nix repeats only the last lines."""
    lines = explain(write(tmp_path, {"deploy": 0, "migrations": 1, "tests": 2})).splitlines()

    assert lines[0] == "--- migrations, exit code 1, the last lines:"
    assert lines[1:3] == ["migrations 40", "migrations 41"]
    assert lines[61:63] == ["--- tests, exit code 2, the last lines:", "tests 40"]
    assert lines[-2:] == ["tests 99", f"failed: migrations, tests; all reports: {tmp_path}"]
