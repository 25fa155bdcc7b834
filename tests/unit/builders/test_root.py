from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import root
import runtime_files

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def prepared(tmp_path: Path) -> root.Root:
    """Prepare a root of a merged-usr tree, with an application, a file and the environment bound into it."""
    tree = tmp_path / "tree"
    for name in ("usr/bin", "etc", "tmp", "run", "root", "sys", "proc"):
        (tree / name).mkdir(parents=True)
    (tree / "bin").symlink_to("usr/bin")
    (tmp_path / "app").mkdir()
    (tmp_path / "driver.py").write_text("")
    made = root.Root(
        tree=tree, top=tmp_path / "top", binds={"/app": tmp_path / "app", "/opt/driver.py": tmp_path / "driver.py"}
    )
    made.prepare()
    return made


def test_every_place_has_something_to_mount_on(prepared: root.Root) -> None:
    """Folders are mounted on folders and files on files; the tree's links are links again."""
    for place, source in prepared._places().items():
        assert (prepared.top / place[1:]).is_dir() == source.is_dir(), place
    assert (prepared.top / "bin").readlink().name == "bin"
    assert (prepared.top / "opt/driver.py").is_file()


def test_programs_can_write_to_their_own_places(prepared: root.Root) -> None:
    """What is read-only in the store is an ordinary folder where programs write, and the kernel's folders are real."""
    places = prepared._places()

    assert not {"/tmp", "/run", "/root", "/sys"} & places.keys()
    assert all((prepared.top / name).is_dir() for name in ("tmp", "run", "root", "sys"))
    assert str(places["/proc"]) == "/proc"
    assert places["/etc"] == prepared.tree / "etc"


def test_folder_of_the_tree_takes_what_it_has_no_place_for(tmp_path: Path) -> None:
    """A folder that is not in the tree is seen inside one that is, beside what that one has."""
    tree, uploads = tmp_path / "tree", tmp_path / "uploads"
    (tree / "var/lib").mkdir(parents=True)
    (tree / "var/cache").mkdir()
    (tree / "var/lock").symlink_to("/run/lock")
    uploads.mkdir()
    made = root.Root(tree=tree, top=tmp_path / "top", binds={"/var/lib/site/uploads": uploads})
    made.prepare()

    assert set(made._places()) >= {"/var/cache", "/var/lib/site/uploads"}
    assert not {"/var", "/var/lib", "/var/lock"} & made._places().keys()
    assert (made.top / "var/lib/site/uploads").is_dir()
    assert str((made.top / "var/lock").readlink()) == "/run/lock"


def test_preparing_twice_is_harmless(prepared: root.Root) -> None:
    """Several programs may be started in one root."""
    prepared.prepare()


def test_frame_of_the_environment(tmp_path: Path) -> None:
    """The environment is a virtual one of Debian's interpreter, with the entry point beside it."""
    (tmp_path / "entrypoint.py").write_text("")
    entries = runtime_files.entries("3.13", tmp_path)

    assert entries.items["opt/venv/pyvenv.cfg"].read() == (
        b"home = /usr/bin\ninclude-system-site-packages = false\nversion = 3.13\n"
    )
    links = {path: entry.target for path, entry in entries.items.items() if entry.target}
    assert links == {
        "opt/venv/bin/python": "/usr/bin/python3.13",
        "opt/venv/bin/python3": "python",
        "opt/venv/bin/python3.13": "python",
    }
    assert "opt/estiba/entrypoint.py" in entries.items
