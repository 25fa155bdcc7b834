from __future__ import annotations

import pytest

from estiba.deploy.host.servers import postgresql
from estiba.deploy.target import Finished

# As psql 17 prints them.
UNKNOWN = """\
ERROR:  extension "nope" is not available
DETAIL:  Could not open extension control file "/usr/share/postgresql/17/extension/nope.control": No such file.
HINT:  The extension must first be installed on the system where PostgreSQL is running.
"""
FULL = (
    'psql: error: connection to server on socket "/run/postgresql/.s.PGSQL.5432" failed: FATAL:  sorry, too many '
    "clients already\n"
)
GONE = 'psql: error: connection to server on socket "/run/postgresql/.s.PGSQL.5432" failed: No such file or directory\n'


@pytest.mark.parametrize(
    ("code", "output", "reason"),
    [
        pytest.param(1, UNKNOWN, 'extension "nope" is not available', id="unknown"),
        pytest.param(2, FULL, "sorry, too many clients already", id="full"),
        pytest.param(
            2,
            GONE,
            'connection to server on socket "/run/postgresql/.s.PGSQL.5432" failed: No such file or directory',
            id="gone",
        ),
        pytest.param(None, "", "no answer in 120 s", id="late"),
        pytest.param(127, "", "psql exited with 127", id="silent"),
    ],
)
def test_reason_is_psqls_own(code: int | None, output: str, reason: str) -> None:
    """The line that says what is wrong is told, without what psql puts around it."""
    assert postgresql.find_reason(Finished(code=code, output=output)) == reason
