from __future__ import annotations

import pytest
from packaging.requirements import Requirement

from estiba.lock.debian.known_packages import find_packages

BUILT = {"debian": ["libpq5"], "debian-build": ["libpq-dev"]}


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["psycopg[c]", "psycopg[binary]"], {"psycopg": BUILT}),
        (["psycopg[binary]", "psycopg[c]"], {"psycopg": BUILT}),
        (["psycopg", "psycopg[binary]"], {"psycopg": {"debian": ["libpq5"], "debian-build": []}}),
        (["psycopg2", "psycopg2-binary"], {"psycopg2": BUILT}),
        (["psycopg[binary,pool]"], {}),
        (["psycopg", "psycopg-binary"], {}),
    ],
    ids=["c-and-binary", "binary-and-c", "plain-and-binary", "always-built", "binary", "beside-binary"],
)
def test_needs_of_all_requirements_add_up(lines: list[str], expected: dict[str, dict[str, list[str]]]) -> None:
    """The extra of one requirement does not hide what another one of the same distribution needs."""
    assert find_packages([Requirement(line) for line in lines], python="3.13") == expected
