from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from estiba.errors import ConfigError
from estiba.scaffold.new import locate_template
from estiba.service import environment

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = {
    "properties": {
        "SECRET_KEY": {"description": "signs sessions", "writeOnly": True},
        "LOG_LEVEL": {"description": "least level"},
    },
    "then": {"required": ["SECRET_KEY"]},
}


def test_schema_is_read(tmp_path: Path) -> None:
    """What production adds is required, and what is written only is a secret."""
    (tmp_path / environment.FILE).write_text(json.dumps(SCHEMA))

    found = environment.load(tmp_path)

    assert found == environment.EnvironmentSchema(
        descriptions={"SECRET_KEY": "signs sessions", "LOG_LEVEL": "least level"},
        required=("SECRET_KEY",),
        secrets=frozenset({"SECRET_KEY"}),
    )
    assert found.find_problems({"LOG_LEVEL": "INFO", "WEB_CONCURRENCY": "2", "SECRET_KEY": "x"}) == [
        "'env.SECRET_KEY' is a secret (`writeOnly` in env.schema.json): it belongs into a Secret that `secrets` names"
    ]


def test_service_need_not_have_one(tmp_path: Path) -> None:
    """Without the file nothing is known."""
    assert environment.load(tmp_path) is None


@pytest.mark.parametrize(
    ("text", "problem"), [("{", "is not JSON"), ("[]", "is no JSON Schema"), ('{"properties": {"A": 1}}', "is no JSON")]
)
def test_broken_file_is_an_error(tmp_path: Path, text: str, problem: str) -> None:
    """A file that is none is refused with its name."""
    (tmp_path / environment.FILE).write_text(text)

    with pytest.raises(ConfigError, match=f"(?s)env.schema.json.*{problem}"):
        environment.load(tmp_path)


def test_template_has_one() -> None:
    """The template's own schema names what its settings cannot do without."""
    found = environment.load(locate_template() / "{{ cookiecutter.project_slug }}")

    assert found is not None
    assert found.required == ("SECRET_KEY", "ALLOWED_HOSTS", "DATABASE_URL", "REDIS_URL")
    assert {"SECRET_KEY", "JWT_SIGNING_KEY", "DATABASE_URL", "SENTRY_DSN"} <= found.secrets
