from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from estiba.scaffold.adopt import database
from estiba.scaffold.adopt.survey import survey

if TYPE_CHECKING:
    from pathlib import Path

BACKEND = "django.db.backends"
PLAIN = f"""
DATABASES = {{"default": {{"ENGINE": "{BACKEND}.sqlite3", "NAME": os.getenv("DB_NAME", "db.sqlite3")}}}}
"""
OTHER = f"""
    DATABASES = {{
        "default": {{
            "ENGINE": "{BACKEND}.postgresql",
            "NAME": os.getenv("DB_NAME", "x"),
            "USER": env("SITE_USER", "x"),
            "HOST": "",
        }}
    }}
"""


def choose(folder: Path, text: str, *required: str) -> dict[str, str] | None:
    """Return what the environment has to say for settings, or None where it can say nothing."""
    (folder / "conf.py").write_text(text)
    found = database.find_databases(survey(folder, "conf"))
    return found[0].variables(frozenset(required)) if found and found[0].is_configurable else None


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        pytest.param("DATABASES = {'default': env.db()}", {}, id="url"),
        pytest.param("DATABASES = {'default': {**env.db_url('SITE_DB'), 'A': 1}}", {"SITE_DB": "URL"}, id="spread"),
        pytest.param("DATABASES = {'default': dj_database_url.config(conn_max_age=60)}", {}, id="dj-database-url"),
        pytest.param(
            "DATABASES = {'default': config('SITE_DATABASE_URL', cast=parse)}", {"SITE_DATABASE_URL": "URL"}, id="cast"
        ),
        pytest.param("D = env.db_url('SITE_DB')\nDATABASES = {'default': D}", {"SITE_DB": "URL"}, id="by-name"),
        pytest.param("class A:\n    DATABASES = values.DatabaseURLValue(environ_name='DATABASE_URL')", {}, id="class"),
        pytest.param(
            PLAIN + 'if os.getenv("DB") == "postgres":' + OTHER, {"DB": "postgres", "SITE_USER": "app"}, id="if"
        ),
        pytest.param(PLAIN + 'if env.str("DB") in ["pg", "x"]:' + OTHER, {"DB": "pg", "SITE_USER": "app"}, id="in"),
        pytest.param(PLAIN + 'if "DATABASE_URL" in os.environ:' + OTHER, {"SITE_USER": "app"}, id="presence"),
        pytest.param(PLAIN + "if TESTING:\n    pass\nelse:" + OTHER, {"SITE_USER": "app"}, id="else"),
        pytest.param(
            "KIND = env('SITE_KIND')\nNAME = env('SITE_DB')\nif KIND == 'postgres':\n"
            f"    one = {{'ENGINE': '{BACKEND}.postgresql', 'NAME': NAME}}\nelse:\n"
            f"    one = {{'ENGINE': '{BACKEND}.sqlite3', 'NAME': 'x'}}\nDATABASES = {{'default': one}}",
            {"SITE_KIND": "postgres", "SITE_DB": "app"},
            id="names",
        ),
    ],
)
def test_database_is_found(tmp_path: Path, text: str, variables: dict[str, str]) -> None:
    """What a target does not set by itself is named, with the value that leads to its PostgreSQL."""
    found = choose(tmp_path, text)

    url = "postgresql://app@/app?host=/run/postgresql"
    assert found == {name: url if value == "URL" else value for name, value in variables.items()}


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        f"DATABASES = {{'default': {{'ENGINE': '{BACKEND}.postgresql', 'NAME': 'x', 'HOST': 'localhost'}}}}",
        f"DATABASES = {{'default': {{'ENGINE': '{BACKEND}.mysql', 'NAME': env('DB_NAME')}}}}",
        "DATABASES = {}",
        "DATABASES = {'default': make()}",
    ],
    ids=["file", "written-down", "mysql", "empty", "unknown"],
)
def test_database_cannot_be_changed(tmp_path: Path, text: str) -> None:
    """A database that is written down, of another kind or made by a function is left to others."""
    assert choose(tmp_path, text) is None


def test_password_is_set_only_where_settings_fail_without(tmp_path: Path) -> None:
    """PostgreSQL trusts the service here: an empty password is for settings that want one."""
    entries = "'ENGINE': env('KIND'), 'NAME': env('DB_NAME'), 'PASSWORD': env('SITE_PASSWORD')"
    text = f"DATABASES['default'] = {{{entries}}}"

    assert choose(tmp_path, text) == {"KIND": f"{BACKEND}.postgresql"}
    assert choose(tmp_path, text, "SITE_PASSWORD") == {"KIND": f"{BACKEND}.postgresql", "SITE_PASSWORD": ""}
