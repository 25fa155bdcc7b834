from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.recording import RecordingRunner
from tests.unit.lock.test_model import DEB

from estiba.digest import Digest
from estiba.errors import ArtifactError
from estiba.lock.artifacts import Artifacts
from estiba.lock.debian import debs
from estiba.lock.debian.apt import AptRoot

if TYPE_CHECKING:
    from pathlib import Path

    from estiba.lock.model import Deb

POOLS = ("http://mirror.example/debian/pool/main", "http://mirror.example/debian-security/pool/updates/main")


def test_pools_are_asked_for_what_the_first_one_lacks(tmp_path: Path) -> None:
    """An address is that of Debian's layout, what arrives is an artifact, the rest is in another pool or the lists."""
    git = replace(DEB, name="git", source="git", file="git_1%3a2.39-1_amd64.deb", sha256=Digest.of_bytes(b"git"))
    zlib = replace(DEB, source="libz", file="libz1_1.0-1_amd64.deb", sha256=Digest.of_bytes(b"zlib"))
    root = AptRoot(folder=tmp_path, suite="trixie", pockets=("main", "security"), pools=POOLS)
    artifacts = Artifacts(tmp_path / "artifacts")
    done: list[Deb] = []
    (tmp_path / "downloads").mkdir()
    (tmp_path / "downloads" / git.file).write_bytes(b"git")
    shown = f"Package: {zlib.name}\nVersion: {zlib.version}\nSHA256: {zlib.sha256.hex}\n"
    runner = RecordingRunner("", "", "", "", shown, 100)

    with pytest.raises(ArtifactError, match=rf"^apt could not download {zlib.file}"):
        debs.download(root, [git, zlib], artifacts, on_done=done.append, runner=runner)

    assert [call[-1] for call in runner.calls[3:]] == ["update", zlib.name, f"{zlib.name}={zlib.version}"]
    assert sorted(call[-3:] for call in runner.calls[:3]) == sorted(
        [
            [f"{POOLS[0]}/g/git/git_2.39-1_amd64.deb", git.file, f"SHA256:{git.sha256.hex}"],
            [f"{POOLS[0]}/libz/libz/libz1_1.0-1_amd64.deb", zlib.file, f"SHA256:{zlib.sha256.hex}"],
            [f"{POOLS[1]}/libz/libz/libz1_1.0-1_amd64.deb", zlib.file, f"SHA256:{zlib.sha256.hex}"],
        ]
    )
    assert done == [git]
    assert artifacts.has(git.sha256)
