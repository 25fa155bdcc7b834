from __future__ import annotations

from typing import TYPE_CHECKING

import store_env

if TYPE_CHECKING:
    from pathlib import Path


def test_script_gets_the_interpreter_beside_it(tmp_path: Path) -> None:
    """A console script written for the image's environment runs from where it now lies."""
    script, target = tmp_path / "script", tmp_path / "bin" / "invoke"
    script.write_bytes(b"#!/opt/venv/bin/python\nimport sys\n")
    target.parent.mkdir()

    assert store_env.add_script(script, target)

    assert target.read_bytes() == b"#!" + bytes(target.with_name("python")) + b"\nimport sys\n"
    assert target.stat().st_mode & 0o777 == 0o755


def test_other_programs_are_left_alone(tmp_path: Path) -> None:
    """What is not a console script of the environment is not written."""
    script = tmp_path / "tool"
    script.write_bytes(b"#!/bin/sh\n")

    assert not store_env.add_script(script, tmp_path / "copy")

    assert not (tmp_path / "copy").exists()
