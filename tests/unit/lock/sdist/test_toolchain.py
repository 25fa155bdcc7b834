from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest
from tests.recording import RecordingRunner

from estiba import config
from estiba.digest import Digest
from estiba.errors import ConfigError
from estiba.lock.context import LockContext
from estiba.lock.debian.apt import AptRoot
from estiba.lock.python.pip import Choice
from estiba.lock.sdist.backend import HookCall
from estiba.lock.sdist.toolchain import Toolchain, advise

if TYPE_CHECKING:
    from pathlib import Path


def test_nothing_is_fetched_where_nothing_can_be_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Outside of the development shell the error says where to go, before compilers are downloaded."""
    monkeypatch.delenv(config.ENV_FLAKE, raising=False)
    runner = RecordingRunner()
    toolchain = Toolchain(
        root=AptRoot(folder=tmp_path, suite="trixie", pockets=("main",)),
        platform="x86_64-linux",
        python="3.13",
        resolve=lambda: pytest.fail("resolved"),
        context=LockContext(
            config=dataclasses.replace(config.load(), cache_dir=tmp_path),
            folder=tmp_path,
            tell=lambda _: None,
            runner=runner,
        ),
        fetch=lambda _: pytest.fail("fetched"),
    )
    choice = Choice(name="hola", version="1", file="hola-1.tar.gz", sha256=Digest("0" * 64), size=1)
    hook_call = HookCall(hook="metadata", backend="x", backend_path=None, packages=tmp_path)

    with pytest.raises(ConfigError, match=r"hola-1\.tar\.gz: its build backend runs in the sandbox alone") as caught:
        toolchain.call_hook(choice, hook_call)

    assert caught.value.hint == "enter the development shell first: ./nixw develop"
    assert runner.calls == []


@pytest.mark.parametrize("name", ["psycopg2", "psycopg2-binary"])
def test_known_packages_are_those_of_the_sources(name: str) -> None:
    """An sdist named for its wheels, which an old one lacks for a new Python, is built as the other one is."""
    choice = Choice(name=name, version="1", file=f"{name}-1.tar.gz", sha256=Digest("0" * 64), size=1)

    assert advise(choice, "3.13", (), is_broken=False) == 'add to [tool.estiba]: debian-build = ["libpq-dev"]'
    assert advise(choice, "3.13", ("libpq-dev",), is_broken=False).startswith("name the Debian packages")
