from __future__ import annotations

import io
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.recording import RecordingRunner

from estiba import config
from estiba.digest import Digest
from estiba.errors import ResolutionError
from estiba.lock.artifacts import Artifacts
from estiba.lock.python.interpreter import Interpreter
from estiba.lock.python.pip import Choice, ResolverContext
from estiba.lock.sdist import inspection

if TYPE_CHECKING:
    from collections.abc import Mapping


def resolver(folder: Path) -> ResolverContext:
    """Return a resolver that runs nothing."""

    def call(*_: object) -> Mapping[str, str]:
        raise AssertionError

    return ResolverContext(
        config=replace(config.load(), cache_dir=folder),
        interpreter=Interpreter(version="3.13.5", python=Path("/bare"), tools=Path("/tools")),
        sdists=folder / "sdists",
        artifacts=Artifacts(folder / "artifacts"),
        call_hook_in_sandbox=call,
        runner=RecordingRunner(),
    )


def pack(files: Mapping[str, str]) -> bytes:
    """Return an sdist."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    return target.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"<html>not found</html>",
        pack({"crane-1.0/setup.py": "x" * 9000})[:60],
        pack({"crane-1.0/a": "", "other/b": ""}),
        pack({"crane-1.0/pyproject.toml": "[build-system"}),
    ],
    ids=["page", "cut", "folders", "toml"],
)
def test_damaged_sdist_is_named(tmp_path: Path, content: bytes) -> None:
    """The error says which distribution it is of."""
    choice = Choice(name="crane", version="1.0", file="crane-1.0.tar.gz", sha256=Digest("ab" * 32), size=1)
    made = resolver(tmp_path)
    made.sdists.mkdir()
    made.artifacts.path(choice.sha256).parent.mkdir(parents=True)
    made.artifacts.path(choice.sha256).write_bytes(content)

    with pytest.raises(ResolutionError, match=r"crane-1\.0\.tar\.gz, which is crane 1\.0, cannot be read: "):
        inspection.inspect(made, choice)


def test_damaged_wheel_is_named(tmp_path: Path) -> None:
    """An archive without metadata is no wheel."""
    choice = Choice(name="crane", version="1.0", file="crane-1.0-py3-none-any.whl", sha256=Digest("ab" * 32), size=1)
    with zipfile.ZipFile(tmp_path / "wheel", "w") as archive:
        archive.writestr("crane.py", "")

    with pytest.raises(ResolutionError, match=r"crane-1\.0-py3-none-any\.whl, which is crane 1\.0, cannot be read"):
        inspection.read_wheel(tmp_path / "wheel", choice)
