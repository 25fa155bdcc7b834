from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from estiba.deploy.host.supervise import logs
from estiba.deploy.host.supervise.status import Status

if TYPE_CHECKING:
    from pathlib import Path


def write(folder: Path, name: str, *seconds: int) -> None:
    """Write a log with one line for each second."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text("".join(f"2026-11-22_10:00:{second:02}.00000 line {second}\n" for second in seconds))


def test_last_lines_of_all_in_the_order_of_time(tmp_path: Path) -> None:
    """Lines of several processes are mixed by their times, and carry the process's name."""
    write(tmp_path / "web", "current", 1, 4)
    write(tmp_path / "nginx", "current", 2, 3)

    assert logs.tail(tmp_path, ["nginx", "web"], 3) == [
        "2026-11-22T10:00:02.000Z nginx: line 2",
        "2026-11-22T10:00:03.000Z nginx: line 3",
        "2026-11-22T10:00:04.000Z web: line 4",
    ]


def test_lines_of_one_moment_stay_as_they_were_said(tmp_path: Path) -> None:
    """A traceback comes at once, and makes no sense in the order of the alphabet."""
    said = ["Traceback (most recent call last):", '  File "b.py", line 2, in run', "    a()", "ValueError"]
    for service in ("web", "nginx"):
        (tmp_path / service).mkdir()
        (tmp_path / service / "current").write_text("".join(f"2026-11-22_10:00:00.00000 {line}\n" for line in said))

    found = logs.tail(tmp_path, ["nginx", "web"], 8)

    assert [line.partition(": ")[2] for line in found] == said * 2


def test_tracebacks_are_cut_to_own_frames() -> None:
    """The frames of packages are dozens, and hide where it began and what is wrong."""
    said = [
        "Traceback (most recent call last):",
        '  File "/opt/venv/lib/python3.13/site-packages/django/core/handlers/base.py", line 3, in inner',
        "    response = get_response(request)",
        "               ^^^^^^^^^^^^",
        '  File "/app/shop/views.py", line 7, in index',
        "    return render(request)",
        '  File "<frozen importlib._bootstrap>", line 1, in _load',
        "ValueError: no theme",
        "    indented, and of no traceback",
    ]
    lines = [f"2026-11-22T10:00:00.000Z web-a: {text}" for text in said]

    assert logs.cut_tracebacks(lines) == [lines[0], *lines[4:6], *lines[7:]]


def test_young_log_is_continued_in_the_one_before(tmp_path: Path) -> None:
    """What was put aside counts where the current file has too few lines."""
    write(tmp_path / "web", "@400000006921.s", 1, 2)
    write(tmp_path / "web", "current", 3)

    assert [line[-1] for line in logs.tail(tmp_path, ["web"], 2)] == ["2", "3"]


def test_following_goes_on_in_a_new_file(tmp_path: Path) -> None:
    """A log that is put aside while somebody reads it is followed by the new one; nothing is lost."""
    log = tmp_path / "web"
    write(log, "current", 1)
    reader = logs._Follower(path=log / "current")
    reader.skip()
    with (log / "current").open("a") as file:
        file.write("2026-11-22_10:00:02.00000 line 2\n")
    (log / "current").rename(log / "@old.s")
    write(log, "current", 3)

    assert [line[-1] for line in reader.read()] == ["2", "3"]
    reader.close()


def test_line_that_is_being_written_is_waited_for(tmp_path: Path) -> None:
    """A half is no line; it comes as a whole once it has its end."""
    log = tmp_path / "current"
    log.write_text("")
    reader = logs._Follower(path=log)
    reader.skip()
    for text, expected in (("2026 fi", []), ("rst\n2026 sec", ["2026 first"]), ("ond\n", ["2026 second"])):
        with log.open("a") as file:
            file.write(text)
        assert reader.read() == expected
    reader.close()


def test_status_of_runit() -> None:
    """A recording of `supervise/status` of a service that runs: `xxd -p supervise/status`."""
    status = Status.parse(bytes.fromhex("400000006b0240d1193aa8045d29000000750001"))

    assert (status.state, status.is_wanted, status.pid) == ("up", True, 10589)
    assert datetime.fromtimestamp(status.since, tz=UTC).isoformat(timespec="seconds") == "2026-11-22T01:09:27+00:00"


def test_link_in_place_of_a_log_is_not_read(tmp_path: Path) -> None:
    """The loggers' user could show any file of root's to whoever reads the logs."""
    (tmp_path / "secret").write_text("2026-11-30_10:00:00.00000 root's\n")
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "current").symlink_to(tmp_path / "secret")

    assert logs.tail(tmp_path, ["web"], 9) == []
    assert list(logs.since(tmp_path / "web", "")) == []
    assert logs.first(tmp_path / "web") == ""
