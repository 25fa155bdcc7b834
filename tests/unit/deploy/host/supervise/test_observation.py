from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from estiba.deploy.host.state.folder import StateFolder
from estiba.deploy.host.supervise.observation import observe
from estiba.deploy.host.supervise.runit import LOG_FILES, Runit
from estiba.deploy.log_lines import find_applied, find_exceptions
from estiba.deploy.target import Observation
from estiba.errors import TargetError

if TYPE_CHECKING:
    from pathlib import Path

CHAINED = """Traceback (most recent call last):
  File "one.py", line 1, in one
    {}["boat"]
    ~~^^^^^^^^
KeyError: 'boat'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "two.py", line 2, in two
ValueError: no such boat
"""
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def runit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runit:
    """Return the supervisor of a target whose nginx runs."""
    monkeypatch.setattr(Runit, "is_up", lambda _self, _service: True)
    folder = StateFolder.at(tmp_path / "state")
    folder.prepare()
    found = Runit(folder=folder, names=["nginx", "web-a"])
    for name in found.names:
        (folder.path / "logs" / name).mkdir()
        (found.services / name).mkdir()
    return found


def write(runit: Runit, service: str, lines: list[tuple[str, str]], *, file: str = "current") -> None:
    """Write a log as svlogd does; each line has the time of day on the first of March."""
    text = "".join(f"2026-03-01_{time}.00000 {line}\n" for time, line in lines)
    (runit.folder.path / "logs" / service / file).write_text(text)


def test_only_the_period_counts(runit: Runit) -> None:
    """What was before is another release's; lines that are no requests, and ends that were asked for, do not count."""
    write(runit, "nginx", [("11:00:00", '{"status":500}'), ("12:00:01", '{"status":200}')], file="@400000001.s")
    last = [("12:00:02", '{"status":503}'), ("12:00:03", "[warn] status 500"), ("12:00:04", '{"status":')]
    write(runit, "nginx", last)
    record = json.dumps({"message": "Internal Server Error", "exception": CHAINED})
    plain = [("12:00:06", line) for line in CHAINED.splitlines()]
    write(runit, "web-a", [("11:00:00", record), ("12:00:05", record), *plain, ("12:00:07", '{"exception": 3}')])
    ends = [
        {"time": NOON.timestamp() + after, "wanted": wanted} for after, wanted in ((-9, True), (9, False), (10, True))
    ]
    (runit.services / "web-a" / "ends.json").write_text(json.dumps({"ends": [*ends, "x"]}))

    found = observe(runit, ["web-a"], NOON)

    assert found == Observation(requests=2, failures=1, restarts=1, exceptions={"ValueError: no such boat": 2})


def test_no_data_is_no_zero(runit: Runit, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without logs, with logs that have been deleted, and without nginx nothing is known."""
    with pytest.raises(TargetError, match="nginx does not run, so there is no data since 2026-03-01T12:00:00"):
        observe(runit, [], NOON)

    write(runit, "nginx", [("13:00:00", '{"status":200}')])
    assert observe(runit, [], NOON).requests == 1
    for number in range(LOG_FILES):
        write(runit, "nginx", [("12:30:00", '{"status":200}')], file=f"@40000000{number}.s")
    with pytest.raises(TargetError, match="the log of nginx begins at 2026-03-01_12:30:00"):
        observe(runit, [], NOON)

    monkeypatch.setattr(Runit, "is_up", lambda _self, _service: False)
    with pytest.raises(TargetError, match="nginx does not run"):
        observe(runit, [], datetime(2026, 3, 1, 12, 45, tzinfo=UTC))


@pytest.mark.parametrize(
    ("starter", "is_known"),
    [
        pytest.param('ENDS = "ends.json"', True, id="notes ends"),
        pytest.param("", False, id="of an earlier Estiba"),
        pytest.param(None, False, id="gone"),
    ],
)
def test_restarts_that_nobody_notes_are_no_zero(
    runit: Runit, tmp_path: Path, starter: str | None, *, is_known: bool
) -> None:
    """A release that was built before ends were noted has no data about them."""
    write(runit, "nginx", [("13:00:00", '{"status":200}')])
    (runit.services / "web-a" / "finish").symlink_to(tmp_path / "start")
    if starter is not None:
        (tmp_path / "start.py").write_text(starter)

    if is_known:
        assert observe(runit, ["web-a"], NOON).restarts == 0
    else:
        with pytest.raises(TargetError, match="does not note the ends of web-a, so nobody knows of restarts"):
            observe(runit, ["web-a"], NOON)


def test_period_that_has_not_begun_is_refused(runit: Runit) -> None:
    """A clock or a time zone is wrong then."""
    with pytest.raises(TargetError, match="is in the future"):
        observe(runit, [], datetime(2999, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(CHAINED, ["ValueError: no such boat"], id="chained"),
        pytest.param(CHAINED.splitlines()[0], [], id="cut"),
        pytest.param("ValueError: in a message", [], id="no-traceback"),
        pytest.param('{"exception": "boats.Error"}', ["boats.Error"], id="other-formatter"),
        pytest.param('{"exception": ""}', [], id="empty"),
        pytest.param('{"error": {"type": "ValueError", "message": "no boat"}}', ["ValueError: no boat"], id="ecs"),
        pytest.param('{"error": {"type": "KeyError", "message": null}}', ["KeyError"], id="ecs-without-message"),
        pytest.param('{"error": "refused"}', [], id="other-error"),
    ],
)
def test_exception_is_the_last_line_of_its_traceback(text: str, expected: list[str]) -> None:
    """Of a chain the last exception counts."""
    assert find_exceptions(text.splitlines()) == expected


def test_migration_that_prints_is_applied() -> None:
    """What it says stands between its name and its OK; one that failed has none."""
    output = (
        "  Applying shop.0001_a... OK\n  Applying shop.0002_b...copied 5 rows\n OK\n  Applying shop.0003_c...boom\n"
    )

    assert find_applied(output) == ("shop.0001_a", "shop.0002_b")
