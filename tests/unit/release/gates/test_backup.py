from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from tests.recording import RecordingRunner
from tests.services.gates import make_context

from estiba.errors import GateError
from estiba.release.gates import backup

if TYPE_CHECKING:
    from pathlib import Path

    from estiba.release.gates.gate import Context

# pgbackrest 2.54 `info --output=json`, shortened: 2026-01-31 09:00 UTC, and a later one with wrong checksums.
PGBACKREST = json.dumps(
    [
        {
            "backup": [
                {"error": False, "label": "20260131-090000F", "timestamp": {"start": 1769849000, "stop": 1769850000}},
                {"error": True, "label": "20260131-100000F", "timestamp": {"start": 1769852000, "stop": 1769853600}},
            ],
            "name": "main",
            "status": {"code": 0, "message": "ok"},
        }
    ]
)
# restic 0.18 `snapshots --json`, shortened.
RESTIC = json.dumps(
    [
        {"hostname": "db", "id": "1", "time": "2026-01-30T09:00:00.123456789Z"},
        {"hostname": "db", "id": "2", "time": "2026-01-31T10:00:00.123456789+01:00"},
    ]
)


def make(folder: Path, answer: str | int, **options: object) -> tuple[Context, RecordingRunner]:
    """Return what the gate looks at, with the output of its command."""
    runner = RecordingRunner(answer)
    gates = {"backup": {"command": ["newest", "{target}"], **options}}
    return make_context(folder, gates=gates, runner=runner), runner


@pytest.mark.parametrize(
    ("output", "hours"),
    [
        pytest.param("2026-01-31T04:00:00Z\n", 8.0, id="time"),
        pytest.param('"2026-01-31T04:00:00+01:00"', 9.0, id="string"),
        pytest.param('{"time": "2026-01-31T11:00:00Z"}', 1.0, id="object"),
        pytest.param(PGBACKREST, 3.0, id="pgbackrest"),
        pytest.param(RESTIC, 3.0, id="restic"),
    ],
)
def test_newest_backup_is_found(tmp_path: Path, output: str, hours: float) -> None:
    """Each tool's own output will do, and so does a time."""
    context, runner = make(tmp_path, output)

    assert backup.check(context)["age-hours"] == pytest.approx(hours, abs=0.1)
    assert runner.calls == [["timeout", "--kill-after=5", "120", "newest", "production"]]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        pytest.param(
            "2026-01-30T04:00:00Z", r"is 32.0 h old \(2026-01-30T04:00:00\+00:00\), and may be 24 h", id="old"
        ),
        pytest.param("2026-02-01T04:00:00Z", r"is of the future", id="future"),
        pytest.param("2026-01-31T04:00:00", r"prints no time of a backup", id="no zone"),
        pytest.param("nothing", r"prints no time of a backup: 'nothing'", id="text"),
        pytest.param("[]", r"there is no whole backup yet", id="none"),
        pytest.param('[{"name": "x"}]', r"prints no time of a backup", id="other JSON"),
        pytest.param(3, r"newest production exited with 3", id="failed"),
        pytest.param(124, r"did not end within 120 s", id="hangs"),
        pytest.param(127, r"newest cannot be run", id="missing"),
    ],
)
def test_anything_else_is_refused(tmp_path: Path, answer: str | int, message: str) -> None:
    """A backup that nobody has seen does not count."""
    with pytest.raises(GateError, match=message):
        backup.check(make(tmp_path, answer)[0])


def test_target_without_data_needs_none(tmp_path: Path) -> None:
    """`targets` says where there is something to lose."""
    context, runner = make(tmp_path, "", targets=["other"])

    assert (backup.check(context), runner.calls) == ({"needed": False}, [])
