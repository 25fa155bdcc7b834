from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import ask_backend
import backend

PYTHON = Path("/usr/bin/python3.13")


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        pytest.param("#!/elsewhere/bin/python3\nrun()\n", "#!/usr/bin/python3.13\nrun()\n", id="short"),
        pytest.param(
            "#!/bin/sh\n'''exec' \"/a/long way/python\" \"$0\" \"$@\"\n' '''\nrun()\n",
            "#!/usr/bin/python3.13\nrun()\n",
            id="long",
        ),
        pytest.param("#!/bin/sh\nexec python3\n", "#!/bin/sh\nexec python3\n", id="shell"),
        pytest.param("\x7fELF python\n", "\x7fELF python\n", id="program"),
    ],
)
def test_scripts_start_the_interpreter_of_the_root(tmp_path: Path, script: str, expected: str) -> None:
    """What pip installed elsewhere runs in the root; what is no Python script stays as it is."""
    (tmp_path / "installed" / "bin").mkdir(parents=True)
    (tmp_path / "installed" / "bin" / "tool").write_text(script)

    backend.adopt(tmp_path / "installed", tmp_path / "packages", python=PYTHON)

    tool = tmp_path / "packages" / "bin" / "tool"
    assert tool.read_text() == expected
    assert tool.stat().st_mode & 0o777 == 0o755


class Silent:
    """A backend without optional hooks."""


class Talking(Silent):
    """A backend with all of them."""

    def get_requires_for_build_wheel(self) -> list[str]:
        """Ask for more."""
        return ["cffi"]

    def prepare_metadata_for_build_wheel(self, folder: str) -> str:
        """Write the metadata."""
        made = Path(folder, "hola.dist-info")
        made.mkdir()
        (made / "METADATA").write_text("Name: hola\n")
        return made.name


@pytest.mark.parametrize(
    ("asked", "hook", "expected"),
    [
        pytest.param(Talking(), "requires", {"requires": ["cffi"]}, id="requires"),
        pytest.param(Talking(), "metadata", {"metadata": "Name: hola\n"}, id="metadata"),
        pytest.param(Silent(), "requires", {"requires": []}, id="no requires"),
        pytest.param(Silent(), "metadata", {"metadata": ""}, id="no metadata"),
    ],
)
def test_optional_hooks_may_be_missing(tmp_path: Path, asked: Any, hook: str, expected: dict[str, Any]) -> None:  # noqa: ANN401
    """PEP 517 makes both questions optional."""
    assert ask_backend.ask(asked, hook, tmp_path / "metadata") == expected
