from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.unit.deploy.host.state.test_revisions import make

from estiba.deploy.host import environment, settings
from estiba.deploy.host.state.folder import StateFolder
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


def test_redis_with_a_port_is_found_by_it(tmp_path: Path) -> None:
    """Services that know no socket get address, port and password, and the others get the same in one address."""
    folder = StateFolder.at(tmp_path / "state")
    folder.prepare()
    closure = make(tmp_path / "one")
    found = [
        environment.build(settings.parse("local", table, folder=tmp_path, state=tmp_path), folder, closure, 8000)
        for table in ({}, {"redis-port": 6379})
    ]

    password = folder.secret("REDIS_PASSWORD")
    assert "REDIS_HOST" not in found[0]
    assert {name: value for name, value in found[1].items() if name.startswith("REDIS_")} == {
        "REDIS_HOST": "127.0.0.1",
        "REDIS_PASSWORD": password,
        "REDIS_PORT": "6379",
        "REDIS_URL": f"redis://:{password}@127.0.0.1:6379/0",
    }


def test_missing_file_is_named(tmp_path: Path) -> None:
    """A file that is not there is no empty one."""
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        environment.load(tmp_path / "env")


def build(tmp_path: Path, **env: str) -> dict[str, str]:
    """Return the environment of a target with some variables of its own."""
    folder = StateFolder.at(tmp_path / "state")
    folder.prepare()
    found = settings.parse("local", {"env": env}, folder=tmp_path, state=tmp_path)
    return environment.build(found, folder, make(tmp_path / "one"), 8000)


def test_variables_refer_to_what_the_target_provides(tmp_path: Path) -> None:
    """A value gets other names; braces of JSON and doubled ones are none of a reference."""
    given = {"CACHE": "{REDIS_URL}", "BOTH": "{PGUSER}@{PGHOST}", "JSON": '{"A": {}}', "PLAIN": "{{NAME}} {name}"}
    found = build(tmp_path, **given)

    assert {name: found[name] for name in given} == {
        "CACHE": "unix:///run/redis/redis.sock?db=0",
        "BOTH": "app@/run/postgresql",
        "JSON": '{"A": {}}',
        "PLAIN": "{NAME} {name}",
    }
    assert found["POSTGRES_URL"] == "postgres" + found["DATABASE_URL"].removeprefix("postgresql")


def test_reference_to_nothing_is_an_error(tmp_path: Path) -> None:
    """The variable and the name are told."""
    with pytest.raises(ConfigError) as caught:
        build(tmp_path, CACHE="{REDIS_ULR}")

    assert caught.value.problems == ("CACHE refers to {REDIS_ULR}, which the target does not provide",)
