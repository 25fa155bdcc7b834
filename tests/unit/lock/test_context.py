from __future__ import annotations

import dataclasses
import errno
import sys
from typing import TYPE_CHECKING

import pytest

from estiba import config
from estiba.digest import Digest
from estiba.errors import ArtifactError, CommandError
from estiba.lock.context import LockContext, run_on_disk

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    "line", ["OSError: [Errno 28] No space left on device", "E: Write error - No space left on device"]
)
def test_a_full_disk_is_one_error_whoever_meets_it(line: str) -> None:
    """What pip, apt, dpkg and Nix say about it becomes what the command line knows."""
    with pytest.raises(OSError, match="No space left on device") as caught:
        run_on_disk([sys.executable, "-c", f"import sys; sys.exit({line!r})"])

    assert caught.value.errno == errno.ENOSPC


def test_other_failures_stay_what_they_are() -> None:
    """Only that one is changed."""
    with pytest.raises(CommandError, match="exited with 1"):
        run_on_disk([sys.executable, "-c", "import sys; sys.exit('no')"])


def test_artifacts_are_taken_with_the_right_hash_only(tmp_path: Path) -> None:
    """A damaged download is removed and named, with both hashes."""
    artifacts = LockContext(
        config=dataclasses.replace(config.load(), cache_dir=tmp_path), folder=tmp_path, tell=print
    ).artifacts
    file = tmp_path / "x.deb"
    file.write_bytes(b"good")
    artifacts.add(file, name="x.deb", expected=Digest.of_bytes(b"good"))
    assert artifacts.path(Digest.of_bytes(b"good")).read_bytes() == b"good"

    file.write_bytes(b"bad")
    with pytest.raises(ArtifactError) as caught:
        artifacts.add(file, name="x.deb", expected=Digest.of_bytes(b"other"))
    assert caught.value.message == (
        f"x.deb has the wrong hash: expected {Digest.of_bytes(b'other')}, got {Digest.of_bytes(b'bad')}"
    )
    assert not file.exists()
