from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import service_root

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def application(tmp_path: Path) -> Iterator[Path]:
    """Make a service's files, and let pytest remove what is made of them."""
    made = tmp_path / "application"
    (made / "site/fixtures").mkdir(parents=True)
    (made / "site/fixtures/one.json").write_text("{}")
    (made / "manage.py").touch()
    (made / "current").symlink_to("site")
    yield made
    for path in (tmp_path / "top").rglob("*"):
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o755)


def test_folders_of_data_are_among_the_files(application: Path, tmp_path: Path) -> None:
    """They alone can be written to, and begin with what the service has in them; all else is bound as it is."""
    top = tmp_path / "top"
    places = ["/app/media", "/app/site/fixtures", "/app/site/state", "/var/lib/site"]
    binds = service_root.lay(application, places, top)

    assert binds == {
        "/app": top / "app",
        "/app/manage.py": application / "manage.py",
        "/app/media": top / "app/media",
        "/app/site": top / "app/site",
        "/app/site/fixtures": top / "app/site/fixtures",
        "/app/site/state": top / "app/site/state",
        "/var/lib/site": top / "var-lib-site",
    }
    assert (top / "app/current").readlink().name == "site"
    assert (top / "app/site/fixtures/one.json").read_text() == "{}"
    assert [place for place, path in binds.items() if path.is_relative_to(top) and not path.stat().st_mode & 0o200] == [
        "/app",
        "/app/site",
    ]


def test_files_that_can_be_written_to_stay_one_folder(application: Path, tmp_path: Path) -> None:
    """Where no place of data is named, as for what generates files of the service."""
    assert service_root.lay(application, [], tmp_path / "top") == {"/app": application}
