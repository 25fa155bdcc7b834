from __future__ import annotations

import os
from pathlib import Path

import overlay


def test_copy_can_be_written_to(tmp_path: Path) -> None:
    """What is read-only in the store is not in the copy; links stay links, programs programs, and times are kept."""
    source = tmp_path / "source"
    (source / "shop").mkdir(parents=True)
    (source / "shop" / "run.py").touch(mode=0o555)
    (source / "link").symlink_to("/nowhere")
    os.utime(source / "shop" / "run.py", (1, 1))
    (source / "shop").chmod(0o555)

    overlay.fill(tmp_path / "copy", source)

    copied = tmp_path / "copy" / "shop" / "run.py"
    assert copied.stat().st_mode & 0o777 == 0o755
    assert copied.stat().st_mtime == 1
    assert copied.parent.stat().st_mode & 0o200
    assert (tmp_path / "copy" / "link").readlink() == Path("/nowhere")


def test_what_is_there_stays(tmp_path: Path) -> None:
    """Files and links of the same name, and folders where a link is, are not copied; folders are joined."""
    source, target = tmp_path / "source", tmp_path / "target"
    for top in (source, target):
        (top / "both").mkdir(parents=True)
        (top / "both" / "file").write_text(top.name)
        (top / "both" / f"of-{top.name}").touch()
        (top / "link").symlink_to(f"/{top.name}")
    (source / "swapped").mkdir()
    (source / "swapped" / "file").touch()
    (target / "swapped").symlink_to("/elsewhere")

    overlay.fill(target, source)

    assert (target / "both" / "file").read_text() == "target"
    assert sorted(path.name for path in (target / "both").iterdir()) == ["file", "of-source", "of-target"]
    assert (target / "link").readlink() == Path("/target")
    assert (target / "swapped").readlink() == Path("/elsewhere")
