"""Extensions of PostgreSQL: the server of checks and targets has them, and the image has not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.services import harbour, locking

if TYPE_CHECKING:
    from pathlib import Path

TEST = '''"""A test beside a real PostgreSQL."""

import os

import psycopg


def test_extensions() -> None:
    """All of them can be created."""
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        for name in ("postgis", "vector", "timescaledb"):
            connection.execute(f"CREATE EXTENSION {name}")
        assert connection.execute("SELECT ST_X(ST_Point(1, 2))").fetchone() == (1.0,)
        assert connection.execute("SELECT '[1,2]'::vector <-> '[1,4]'").fetchone() == (2.0,)
        assert connection.execute("SHOW timescaledb.telemetry_level").fetchone() == ("off",)
'''


def test_extensions_are_those_of_the_server(tmp_path: Path) -> None:
    """PostGIS, whose control file is an alternative, pgvector, and TimescaleDB, which has to be loaded at the start."""
    folder = locking.prepare(locking.copy("tiny", tmp_path / "tiny"))
    path = folder / "pyproject.toml"
    names = [f"postgresql-17-{name}" for name in ("pgvector", "postgis-3", "postgis-3-scripts", "timescaledb")]
    text = path.read_text().replace('"whitenoise"]', '"whitenoise", "psycopg[binary]"]').replace("3.11", "3.13")
    settings = f'platforms = ["x86_64-linux"]\npostgresql = {{packages = {json.dumps(names)}}}\n'
    path.write_text(text.replace("[tool.estiba]\n", f"[tool.estiba]\n{settings}"))
    (folder / "tests/test_extensions.py").write_text(TEST)
    for task in ("lock", "fetch"):
        harbour.invoke(folder, task)
    done = harbour.invoke(folder, "check", "--json", check=False)
    tests = json.loads(done.stdout)["tests"]

    assert (tests["failures"], tests["errors"]) == (0, 0), done.stderr
    assert tests["tests"] >= 1
    image = {deb.name for deb in locking.load(folder).debs if {"base", "service"} & set(deb.groups)}
    assert not any(name.startswith(("postgresql", "libgdal")) for name in image)
