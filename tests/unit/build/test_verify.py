"""A second world is really another one, and what cannot be verified says why."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests import ocilayout
from tests.recording import RecordingRunner

from estiba import config
from estiba.build.verify import candidate, isolated_store, namespace_entry, proof, source
from estiba.build.verify.proof import Proof
from estiba.digest import Digest
from estiba.errors import VerificationError
from estiba.image import layout, media_types

if TYPE_CHECKING:
    from estiba.build.verify.candidate import Candidate


def git(folder: Path, *words: str) -> str:
    """Run git as somebody."""
    identity = ["-c", "user.name=Ana", "-c", "user.email=ana@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", "-C", str(folder), *identity, *words], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Make a repository with a service in a folder of it."""
    top = tmp_path / "repository"
    (top / "shop").mkdir(parents=True)
    (top / "shop/manage.py").write_text("one\n")
    (top / "shop/gone.py").write_text("gone\n")
    (top / "shop/estiba.lock").write_text("lock\n")
    git(top, "init", "--quiet", "-b", "main")
    git(top, "add", ".")
    git(top, "commit", "--quiet", "-m", "one")
    return top


def test_copy_has_the_same_changes(repository: Path, tmp_path: Path) -> None:
    """A copy has the same commit, and the same changes that are not committed; ignored files stay away."""
    (repository / "shop/manage.py").write_text("two\n")
    (repository / "shop/gone.py").unlink()
    (repository / "shop/new.py").write_text("new\n")
    git(repository, "add", "shop/new.py")
    (repository / "shop/unknown.py").write_text("unknown\n")
    there = source.copy(repository / "shop", tmp_path / "copy")
    assert there == tmp_path / "copy/shop"
    assert sorted(path.name for path in there.iterdir()) == ["estiba.lock", "manage.py", "new.py"]
    assert (there / "manage.py").read_text() == "two\n"
    assert git(there, "rev-parse", "HEAD") == git(repository, "rev-parse", "HEAD")
    assert git(there, "ls-files") == "estiba.lock\nmanage.py\nnew.py"


def test_copy_without_git(tmp_path: Path) -> None:
    """A plain folder is copied without the leftovers of earlier builds."""
    (tmp_path / "plain/.estiba").mkdir(parents=True)
    (tmp_path / "plain/manage.py").write_text("one\n")
    there = source.copy(tmp_path / "plain", tmp_path / "copy")
    assert [path.name for path in there.iterdir()] == ["manage.py"]


def test_unknown_commit(repository: Path, tmp_path: Path) -> None:
    """A commit that the repository lacks is named."""
    with pytest.raises(VerificationError, match=f"commit {'0' * 40} is not to be had from"):
        source.check_out(str(repository), "0" * 40, tmp_path / "clone")


def make_candidate(tmp_path: Path, **annotations: str) -> Candidate:
    """Return an image with annotations."""
    path = ocilayout.write(tmp_path / "image", ocilayout.service(), annotations=annotations)
    return candidate.of_layout(layout.read(path))


@pytest.mark.parametrize(
    ("annotations", "message"),
    [
        ({}, "has no annotation org.opencontainers.image.revision"),
        ({media_types.REVISION: "abc-dirty"}, "was built from abc with uncommitted changes"),
    ],
)
def test_image_without_a_commit(tmp_path: Path, annotations: dict[str, str], message: str) -> None:
    """Only what was built from a commit can be verified."""
    with pytest.raises(VerificationError, match=message):
        proof.rebuild_from_source(
            make_candidate(tmp_path, **annotations), tmp_path, config.load(), fetch=lambda _: None
        )


def test_image_without_a_source(tmp_path: Path) -> None:
    """Outside of a clone the image must say where its source is."""
    found = make_candidate(tmp_path, **{media_types.REVISION: "abc"})
    with pytest.raises(VerificationError, match=r"names no source, and .* is in no git repository"):
        proof.rebuild_from_source(found, tmp_path, config.load(), fetch=lambda _: None)


def test_image_with_another_lock(tmp_path: Path, repository: Path) -> None:
    """The lock of the commit must be the one that the image names; nothing is built otherwise."""
    revision = git(repository, "rev-parse", "HEAD")
    found = make_candidate(tmp_path, **{media_types.REVISION: revision, media_types.LOCK_DIGEST: f"sha256:{'0' * 64}"})
    with pytest.raises(VerificationError, match=f"was built from lock sha256:{'0' * 64}, its commit has sha256:"):
        proof.rebuild_from_source(found, repository / "shop", config.load(), fetch=lambda _: None)


def test_one_platform_is_built_alone(tmp_path: Path) -> None:
    """An image of one platform is compared with a build of that platform."""
    path = ocilayout.write(tmp_path / "image", ocilayout.service()[:1])
    assert candidate.of_layout(layout.read(path)).attribute == "image-x86_64-linux"


def test_proof_as_json() -> None:
    """A proof says in JSON what was compared."""
    digest = Digest.of_bytes(b"")
    found = Proof(expected=digest, found=digest, varied=("user",)).to_dict()
    assert (found["same"], found["varied"], found["differences"]) == (True, ["user"], [])


def test_world_is_removed() -> None:
    """Nothing is left of a world, though a store is read-only."""
    with isolated_store.create(config.load(), runner=RecordingRunner()) as made:
        closed = made.store / "nix/store/x"
        closed.mkdir(parents=True)
        (closed / "file").write_text("")
        closed.chmod(0o555)
    assert not made.folder.exists()


def test_world_differs() -> None:
    """A command in the world sees another host name, home, time zone, locale, umask and user."""
    program = (
        "import json, locale, os, socket; old = os.umask(0);"
        "print(json.dumps([socket.gethostname(), os.environ['HOME'], os.environ['TZ'], os.environ['LANG'], old,"
        " os.getuid(), len(os.sched_getaffinity(0)), sorted(os.getgroups())]))"
    )
    with isolated_store.create(config.load()) as made:
        made.chown()
        told = made.runner()([_readable_python(), "-c", program]).stdout
        host, home, zone, locale, umask, uid, processors, groups = json.loads(told)
        assert (home, zone, locale) == (str(made.folder / "home"), "Pacific/Kiritimati", "tr_TR.UTF-8")
        assert umask == 0o027
        assert processors == len(made.processors)
        if made.has_hostname:
            assert host == "elsewhere"
        if made.uid is not None:
            assert (uid, groups) == (made.uid, [])
            assert {"user", "host name"} <= set(made.varied)


def _readable_python() -> str:
    """Return a Python that another user may run."""
    own = Path(sys.executable).resolve()
    return str(own) if namespace_entry.find_unsearchable(own) is None else "/usr/bin/python3"


def test_closed_folders(tmp_path: Path) -> None:
    """The first folder that others may not pass is found."""
    inner = tmp_path / "open/closed/inner"
    inner.mkdir(parents=True)
    (tmp_path / "open/closed").chmod(0o700)
    first = namespace_entry.find_unsearchable(inner / "file")
    assert first is not None
    assert not first.stat().st_mode & 1
    assert inner.is_relative_to(first)
