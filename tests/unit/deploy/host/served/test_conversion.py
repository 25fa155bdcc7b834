from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from tests.recording import RecordingRunner
from tests.unit.deploy.host.state.test_revisions import make

from estiba.deploy.host import settings
from estiba.deploy.host.processes import Processes
from estiba.deploy.host.served import conversion
from estiba.deploy.host.state import users
from estiba.deploy.host.state.folder import StateFolder
from estiba.deploy.host.state.revisions import RevisionStore
from estiba.errors import TargetError

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives programs users of their own")

SHARED = 10001


@pytest.fixture
def processes(tmp_path: Path) -> Processes:
    """Return the processes of a state folder as an earlier version left it, all of it one user's."""
    path = tmp_path / "state"
    for name in ("data/media/a", "data/postgresql", "data/redis", "logs/web-a", "services/web-a", "tasks"):
        (path / name).mkdir(parents=True)
    (path / "data/media/a/picture").write_text("picture")
    (path / "data/media/a/picture").chmod(0o600)
    (path / "secrets.json").write_text("{}")
    for top, folders, names in os.walk(path):
        for name in (*folders, *names):
            os.chown(os.path.join(top, name), SHARED, SHARED)  # noqa: PTH118 - as os.walk names them
    for name in ("data", "serve"):
        (path / name).mkdir(exist_ok=True)
        os.chown(path / name, 0, 0)
    folder = StateFolder.at(path)
    return Processes(
        folder=folder,
        settings=settings.parse("local", {}, folder=tmp_path, state=tmp_path),
        revisions=RevisionStore(folder=folder, runner=RecordingRunner()),
        runner=RecordingRunner(),
    )


def owner(path: Path) -> tuple[int, int]:
    """Return user and group of a file."""
    found = path.lstat()
    return found.st_uid, found.st_gid


def test_each_program_keeps_its_data(processes: Processes, tmp_path: Path) -> None:
    """Uploads are nginx's to read, and what is looked up by name is root's from then on."""
    folder = processes.folder
    assert processes.folder.is_shared

    conversion.convert(processes, make(tmp_path / "release"))

    service, nginx = folder.user(users.SERVICE), folder.user(users.NGINX)
    assert not folder.is_shared
    assert owner(folder.path / "data/media/a/picture") == (service, nginx)
    assert (folder.path / "data/media/a/picture").stat().st_mode & 0o777 == 0o640
    assert owner(folder.path / "data/postgresql")[0] == folder.user(users.POSTGRESQL)
    assert owner(folder.path / "logs/web-a")[0] == folder.user(users.LOG)
    assert {owner(folder.path / name) for name in ("logs", "services", "tasks", "secrets.json")} == {(0, 0)}


def test_files_of_others_are_not_given_away(processes: Processes, tmp_path: Path) -> None:
    """A program may have left links, and hard links where the system allows them."""
    media = processes.folder.path / "data/media"
    (tmp_path / "secret").write_text("root's")
    (media / "link").symlink_to(tmp_path / "secret")
    (media / "hard").hardlink_to(tmp_path / "secret")
    (tmp_path / "roots").mkdir()
    (processes.folder.path / "services/web-a").rmdir()
    (processes.folder.path / "services/web-a").symlink_to(tmp_path / "roots")

    conversion.convert(processes, make(tmp_path / "release"))

    assert owner(tmp_path / "secret") == (0, 0)
    assert owner(tmp_path / "roots") == (0, 0)
    assert (tmp_path / "roots").is_dir()


def test_release_that_a_program_has_exchanged_is_not_started(processes: Processes, tmp_path: Path) -> None:
    """Its starter would run as root."""
    revision = processes.folder.path / "serve/releases/1"
    revision.mkdir(parents=True)
    (revision / "release.json").write_text(f'{{"path": "{tmp_path}", "generation": 1}}')
    os.chown(revision / "release.json", SHARED, SHARED)

    with pytest.raises(TargetError, match="none of the releases that were deployed here"):
        conversion.convert(processes, make(tmp_path / "release"))


def test_only_a_deployment_converts(processes: Processes) -> None:
    """Other commands have no release whose starter could switch users."""
    with pytest.raises(TargetError, match="made by an earlier Estiba"):
        conversion.convert(processes, None)

    assert processes.folder.is_shared
