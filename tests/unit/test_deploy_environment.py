from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from estiba.deploy import environment
from estiba.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

FILE = """\
# Secrets.
TOKEN=abc=def

export NAME = 'two words'
EMPTY=
QUOTED="x"
"""


def test_file_of_variables(tmp_path: Path) -> None:
    """Comments and empty lines say nothing, quotes are taken off, the first equals sign counts."""
    (tmp_path / "env").write_text(FILE)

    assert environment.load(tmp_path / "env") == {
        "EMPTY": "",
        "NAME": "two words",
        "QUOTED": "x",
        "TOKEN": "abc=def",
    }


def test_all_wrong_lines_are_named(tmp_path: Path) -> None:
    """A line that sets nothing is an error, and its content, maybe a secret, is not shown."""
    (tmp_path / "env").write_text("TOKEN abc\nA=1\n1B=2\n")

    with pytest.raises(ConfigError) as caught:
        environment.load(tmp_path / "env")

    assert caught.value.problems == ("line 1 is not NAME=value", "line 3 is not NAME=value")


def test_missing_file_is_named(tmp_path: Path) -> None:
    """A file that is not there is no empty one."""
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        environment.load(tmp_path / "env")
