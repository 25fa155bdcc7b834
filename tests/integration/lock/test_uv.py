from __future__ import annotations

import io
import platform
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
from tests import wheelfile

from estiba import config
from estiba.lock.artifacts import Artifacts
from estiba.lock.python import pip, uv
from estiba.lock.python.interpreter import Interpreter
from estiba.lock.python.pins import Pin
from estiba.lock.python.pip import ResolverContext, Upgrade


@pytest.fixture
def resolver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ResolverContext:
    """Return a context with uv, whose pip is configured for a folder with a wheel, and no index."""
    known = config.load()
    artifacts = Artifacts(known.cache_dir / "artifacts")
    artifacts.folder.mkdir(parents=True, exist_ok=True)
    program = uv.prepare(Path(sys.executable), artifacts, known)
    # Another test looks at uv's own cache.
    own = tmp_path / "cache"
    own.mkdir()
    (own / program.name).symlink_to(program)
    folder = tmp_path / "wheels"
    folder.mkdir()
    wheelfile.write(folder, "estiba_cargo", {"estiba_cargo/__init__.py": ""})
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    return ResolverContext(
        config=replace(config.load(), cache_dir=own),
        interpreter=Interpreter(
            version=platform.python_version(), python=Path(sys.executable), tools=Path(sys.executable)
        ),
        sdists=tmp_path / "sdists",
        artifacts=artifacts,
        call_hook_in_sandbox=lambda _choice, _call: {},
    )


def compile_pins(resolver: ResolverContext, *, wanted: str = "estiba-cargo", locked: str = "") -> list[str] | None:
    """Resolve a requirement, and return the releases."""
    seeds = [Pin(name="estiba-cargo", version=locked)] if locked else []
    files = {"requirements.in": [wanted]}
    found = uv.compile_pins(resolver, pip.host_platform(), wanted=files, constraints=[], seeds=seeds, upgrade=Upgrade())
    return None if found is None else [f"{pin.name}=={pin.version}" for pin in found]


def test_sdists_are_left_to_pip_tools(resolver: ResolverContext, tmp_path: Path) -> None:
    """Also where an older release has a wheel, which uv takes without a word, and in the place of a locked sdist."""
    assert compile_pins(resolver) == ["estiba-cargo==1.0"]
    about = b"Metadata-Version: 2.1\nName: estiba-cargo\nVersion: 2.0\n"
    entry = tarfile.TarInfo("estiba_cargo-2.0/PKG-INFO")
    entry.size = len(about)
    with tarfile.open(tmp_path / "wheels" / "estiba_cargo-2.0.tar.gz", "w:gz") as archive:
        archive.addfile(entry, io.BytesIO(about))

    assert compile_pins(resolver) is None
    assert compile_pins(resolver, locked="2.0") is None
    assert compile_pins(resolver, wanted="estiba-cargo<2", locked="1.0") == ["estiba-cargo==1.0"]


def test_no_index_is_asked_where_pip_asks_none(resolver: ResolverContext) -> None:
    """What the folder lacks is not looked for anywhere else."""
    assert compile_pins(resolver, wanted="six") is None
