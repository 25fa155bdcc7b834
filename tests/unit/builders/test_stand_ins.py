"""What stands for a file that git does not have stops a build, whoever started it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.djangoproject import lay

import stand_ins

if TYPE_CHECKING:
    from pathlib import Path

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12345\n"


def test_pointers_and_what_is_encrypted_are_refused(tmp_path: Path) -> None:
    """The sentences are those of the commands; a link is looked at where it leads."""
    lay(tmp_path, {f"models/{name}.bin": POINTER for name in "abcdef"} | {"shop/secrets.py": b"\0GITCRYPT\0abc"})
    (tmp_path / "link").symlink_to("models/a.bin")

    with pytest.raises(SystemExit) as caught:
        stand_ins.refuse(tmp_path)
    encrypted, large = str(caught.value.code).splitlines()
    assert large.startswith(
        "models/a.bin, models/b.bin, models/c.bin, models/d.bin, models/e.bin and 1 more: in Git LFS, so git itself has"
        " but a pointer, which is what a build may get: git lfs migrate export"
    )
    assert encrypted.startswith("shop/secrets.py: a filter of .gitattributes makes it another file here than in git: ")


def test_other_files_are_no_stand_ins(tmp_path: Path) -> None:
    """One that tells of pointers is text; a link that leads nowhere is nothing."""
    lay(tmp_path, {"docs/lfs.md": f"A pointer:\n{POINTER}", "empty": "", "logo.png": b"\0PNG"})
    (tmp_path / "nowhere").symlink_to("gone")

    assert stand_ins.find(tmp_path) == {}
