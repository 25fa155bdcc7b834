from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

import build_root
import copied_root
from root import UID, Root

PYTHON = "/usr/bin/python"


@pytest.fixture
def made(tmp_path: Path) -> copied_root.CopiedRoot:
    """Make a root whose Python is a link into the store, with a read-only file and a folder of the build."""
    if os.geteuid() != 0:
        pytest.skip("chroot(2) needs a superuser: run the tests as root")
    for name in ("tree/usr/bin", "tree/etc", "tree/tmp", "tree/proc", "app"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "tree/bin").symlink_to("usr/bin")
    (tmp_path / "tree/usr/bin/python").symlink_to(Path(sys.executable).resolve())
    (tmp_path / "tree/etc/issue").write_text("of the store\n")
    (tmp_path / "driver.py").write_text("driven = True\n")
    (tmp_path / "driver.py").chmod(0o444)
    binds = {"/app": tmp_path / "app", "/driver.py": tmp_path / "driver.py"}
    return copied_root.CopiedRoot(tree=tmp_path / "tree", top=tmp_path / "root", binds=binds)


def run(made: Root, code: str) -> int:
    """Run a line of Python in the root."""
    return made.run([PYTHON, "-ISBc", code], cwd="/app")


def test_program_is_in_the_root_as_the_images_user(made: copied_root.CopiedRoot) -> None:
    """It sees the root's places alone, is the user of the image without privileges, and has devices."""
    places = "sorted(os.listdir('/')), os.getuid(), os.getgid(), os.getgroups(), os.read(os.open('/dev/zero', 0), 1)[0]"
    assert run(made, f"import json, os; json.dump([{places}], open('seen', 'w'))") == 0
    made.give_back()

    top = ["app", "bin", "dev", "driver.py", "etc", "nix", "proc", "root", "run", "sys", "tmp", "usr"]
    assert json.loads((made.binds["/app"] / "seen").read_text()) == [top, UID, UID, [], 0]


def test_what_the_store_has_stays_as_it_is(made: copied_root.CopiedRoot) -> None:
    """Files are the same ones on disk, and a program cannot write to them."""
    assert run(made, "open('/driver.py', 'r')") == 0
    assert run(made, "open('/driver.py', 'a')") != 0
    assert run(made, "open('/etc/issue', 'a')") != 0
    assert run(made, "import os; os.unlink('/etc/issue')") != 0
    assert (made.tree / "etc/issue").samefile(made.top / "etc/issue")


def test_folder_of_the_build_is_moved_in_and_back(made: copied_root.CopiedRoot) -> None:
    """Programs write to it one after another, and the builder sees it in its place all the time."""
    app = made.binds["/app"]
    (app / "given").write_text("1")

    assert run(made, "open('made', 'w').write(open('given').read())") == 0
    assert app.is_symlink()
    (app / "given").write_text("2")
    assert run(made, "open('made', 'a').write(open('given').read())") == 0
    made.give_back()
    assert not app.is_symlink()
    assert (app / "made").read_text() == "12"


def test_writable_places_are_the_programs_own(made: copied_root.CopiedRoot) -> None:
    """A program can write to its temporary folder, to shared memory and beside the places in the root."""
    for path in ("/tmp/file", "/run/file", "/dev/shm/file", "/file", "/dev/null"):
        assert run(made, f"open('{path}', 'w')") == 0, path


def test_place_covers_what_the_tree_has_there(made: copied_root.CopiedRoot, tmp_path: Path) -> None:
    """As with a mount, nothing shines through."""
    (tmp_path / "other").mkdir(mode=0o555)
    covering = made._replace(binds={**made.binds, "/etc": tmp_path / "other"})

    assert run(covering, "import os; raise SystemExit(len(os.listdir('/etc')))") == 0


def test_user_without_the_right_is_told(made: copied_root.CopiedRoot, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where chroot(2) is refused, the reason is one sentence, and nothing was moved."""

    def refuse(_: str) -> None:
        raise PermissionError

    monkeypatch.setattr("os.chroot", refuse)
    with pytest.raises(SystemExit, match="needs a root user who may call chroot"):
        made.prepare()
    assert not made.binds["/app"].is_symlink()


@pytest.mark.parametrize("is_marked", [True, False], ids=["container", "sandbox"])
def test_mark_alone_chooses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_marked: bool) -> None:
    """A root of copies is never a fallback: builds have it where the store's mark is seen, which no sandbox shows."""
    mark = tmp_path / "mark"
    if is_marked:
        mark.touch()
    monkeypatch.setattr(build_root, "UNSANDBOXED", mark)

    root = build_root.assemble(tmp_path, binds={}, env={})
    assert isinstance(root, copied_root.CopiedRoot) is is_marked
