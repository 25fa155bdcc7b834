"""The same image comes out of another store, under another user, at another place; and a stranger can tell."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from tests.services.harbour import invoke

if TYPE_CHECKING:
    from pathlib import Path


def git(folder: Path, *words: str) -> None:
    """Run git as somebody."""
    identity = ["-c", "user.name=Ana", "-c", "user.email=ana@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", str(folder), *identity, *words], check=True, capture_output=True)


def run(folder: Path, *arguments: str) -> tuple[int, dict[str, Any], str]:
    """Run a task with `--json`; return the exit code, the object and what was said."""
    done = invoke(folder, *arguments, "--json", check=False)
    return done.returncode, json.loads(done.stdout or "{}"), done.stderr


@pytest.fixture(scope="module")
def service(harbour: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the service, committed."""
    folder = shutil.copytree(harbour, tmp_path_factory.mktemp("verify") / "harbour", symlinks=True)
    shutil.rmtree(folder / ".git", ignore_errors=True)
    git(folder, "init", "--quiet", "-b", "main")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "one")
    return folder


def test_digest_is_the_same_elsewhere(service: Path) -> None:
    """Store, user, path, time zone, locale, umask, host name and processors have no influence on the digest."""
    code, told, said = run(service, "build.verify")
    assert (code, told.get("differences")) == (0, []), said
    assert told["same"]
    assert {"store", "source path", "time zone", "locale", "umask"} <= set(told["varied"])
    if os.geteuid() == 0:
        assert {"user", "host name"} <= set(told["varied"])


def test_stranger_verifies_a_commit(service: Path) -> None:
    """An image on disk is built again from the commit and the lock that it names."""
    _, built, said = run(service, "build")
    assert built, said
    code, told, said = run(service, "build.verify", "--image", built["path"])
    assert code == 0, said
    assert told["expected"] == told["found"] == built["digest"]


def test_changes_cannot_be_verified(service: Path) -> None:
    """An image with changes that nobody else has is not verified, and says why."""
    manage = service / "manage.py"
    before = manage.read_text()
    manage.write_text(f"{before}# changed\n")
    try:
        _, built, said = run(service, "build")
        assert built, said
        code, _, said = run(service, "build.verify", "--image", built["path"])
    finally:
        manage.write_text(before)
    assert code == 1
    assert "with uncommitted changes" in said
