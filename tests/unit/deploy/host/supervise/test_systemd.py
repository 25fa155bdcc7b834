from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.recording import RecordingRunner

from estiba.deploy.host.state.folder import StateFolder
from estiba.deploy.host.supervise.systemd import Unit, escape
from estiba.errors import MissingProgramError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from estiba.process import Completed, Runner

NAME = "estiba@srv-shop-local.service"


@pytest.fixture
def runner() -> RecordingRunner:
    """Return a systemctl that succeeds."""
    return RecordingRunner()


def make(root: Path, runner: Runner, *, is_system: bool = True) -> Unit:
    """Return the unit of a folder, on a machine where systemd runs."""
    for name in ("run/systemd/system", "run/user/1000/systemd/private"):
        (root / name).mkdir(parents=True)
    folder = StateFolder(path=Path("/srv/shop/local"), uid=1000)
    return Unit(folder=folder, is_system=is_system, runner=runner, root=root, home=root / "home")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        pytest.param("/srv/shop/local", "srv-shop-local", id="plain"),
        pytest.param("/home/a-b/.local/x_y", r"home-a\x2db-.local-x_y", id="dash-and-dot"),
        pytest.param("/.state", r"\x2estate", id="dot-first"),
        pytest.param("/a b/ñ%", r"a\x20b-\xc3\xb1\x25", id="others"),
    ],
)
def test_folder_is_named_as_systemd_does(path: str, expected: str) -> None:
    """What systemd-escape makes of a path, which systemd turns into the path again."""
    assert escape(Path(path)) == expected


@pytest.mark.parametrize(
    ("is_system", "place", "manager"),
    [
        pytest.param(True, "etc/systemd/system", [], id="superuser"),
        pytest.param(False, "home/.config/systemd/user", ["--user"], id="user"),
    ],
)
def test_unit_is_started_at_once_and_at_boot(
    tmp_path: Path, runner: RecordingRunner, *, is_system: bool, place: str, manager: list[str]
) -> None:
    """The shipped file is copied under the folder's name, and systemctl is asked to run it from now on."""
    assert make(tmp_path, runner, is_system=is_system).start()

    assert "ExecStart=%f/roots/supervisor/bin/" in (tmp_path / place / NAME).read_text()
    words = (["daemon-reload"], ["enable", "--now", NAME], ["is-active", "--quiet", NAME])
    calls = [call for call in runner.calls if "show" not in call]
    assert calls == [["systemctl", *manager, *more] for more in words]


def test_unit_is_where_the_users_manager_looks(tmp_path: Path) -> None:
    """XDG_CONFIG_HOME of the manager counts, which need not be that of the shell."""
    paths = (
        "/run/user/1000/systemd/user.control /run/user/1000/systemd/generator /srv/ada/systemd/user /etc/systemd/user"
    )
    systemd = make(tmp_path, runner := RecordingRunner(f"{paths}\n"), is_system=False)

    assert systemd.file == tmp_path / "srv/ada/systemd/user" / NAME
    assert runner.calls == [["systemctl", "--user", "show", "--property=UnitPath", "--value"]]


def test_machine_without_systemctl_keeps_no_unit(tmp_path: Path) -> None:
    """Where the program is missing the unit is useless, and the deploying command starts the supervisor itself."""

    def runner(argv: Sequence[str], **_: object) -> Completed:
        msg = f"program not found: {argv[0]}"
        raise MissingProgramError(msg)

    systemd = make(tmp_path, runner)

    assert not systemd.start()
    assert not systemd.file.exists()


def test_unit_that_does_not_start_is_removed(tmp_path: Path) -> None:
    """Where systemd cannot run it, nothing of it stays."""
    systemd = make(tmp_path, runner := RecordingRunner("", "", 3))

    assert not systemd.start()
    assert not systemd.file.exists()
    assert runner.calls[3:] == [
        ["systemctl", "disable", "--now", NAME],
        ["systemctl", "daemon-reload"],
        ["systemctl", "reset-failed", NAME],
    ]


def test_machine_without_systemd_is_left_alone(tmp_path: Path, runner: RecordingRunner) -> None:
    """No other PID 1 is asked, nor is anything written."""
    systemd = make(tmp_path, runner)
    (tmp_path / "run/systemd/system").rmdir()

    assert not systemd.start()
    systemd.stop()
    assert runner.calls == []
    assert not systemd.file.exists()


def test_user_without_a_manager_is_left_alone(tmp_path: Path, runner: RecordingRunner) -> None:
    """A user whom systemd runs nothing for, as after su, has no units."""
    systemd = make(tmp_path, runner, is_system=False)
    (tmp_path / "run/user/1000/systemd/private").rmdir()

    assert not systemd.start()


def test_path_that_is_too_long_for_a_name_is_left_alone(tmp_path: Path, runner: RecordingRunner) -> None:
    """A unit's name has 255 characters at most."""
    systemd = make(tmp_path, runner)
    folder = StateFolder(path=Path("/", "-" * 70), uid=0)

    assert not Unit(folder=folder, is_system=True, runner=runner, root=systemd.root).start()


def test_user_is_told_how_the_service_outlives_him(tmp_path: Path, runner: RecordingRunner) -> None:
    """Only where it would not: a system's unit has no sessions, and a user may linger already."""
    systemd = make(tmp_path, runner, is_system=False)
    assert systemd.advice() == ""
    systemd.start()

    assert "loginctl enable-linger" in systemd.advice()
    assert make(tmp_path / "other", runner).advice() == ""
