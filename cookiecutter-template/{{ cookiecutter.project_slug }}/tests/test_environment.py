"""What the settings refuse."""

import json
import os
import re
from pathlib import Path

import jsonschema
import pytest
from django.core.exceptions import ImproperlyConfigured

from config.environment import SCHEMA, Environment

NAMES = sorted(SCHEMA["properties"])
ROOT = Path(__file__).resolve().parent.parent

BAD = [
    ("DEBUG", "true", "DEBUG is 'true', not false: it shows settings"),
    ("DEBUG", "perhaps", "DEBUG is 'perhaps', not"),
    ("SECRET_KEY", "", "SECRET_KEY is missing: signs sessions"),
    ("SECRET_KEY", "too-short", "SECRET_KEY is not 50 random characters or more"),
    ("SECRET_KEY", "kq3v9XwLz0TnB5yRj8HsEf2UdC7pMa4gNb6tWxQy1ZoJiVhKr", "SECRET_KEY is not 50 random"),
    ("SECRET_KEY", "a" * 60, "SECRET_KEY is not 50 random"),
    ("SECRET_KEY", "django-insecure-" + "kq3v9XwLz0TnB5yRj8HsEf2UdC7pMa4gNb6tWxQy1ZoJiVhKrS", "SECRET_KEY is not"),
    ("JWT_SIGNING_KEY", "short", "JWT_SIGNING_KEY is not 50 random"),
    ("ALLOWED_HOSTS", " , ", "ALLOWED_HOSTS is "),
    ("ALLOWED_HOSTS", "", "ALLOWED_HOSTS is missing: host names"),
    ("ALLOWED_HOSTS", "shop.example,*", "without wildcards"),
    ("ALLOWED_HOSTS", "https://shop.example/", "ALLOWED_HOSTS is 'https://shop.example/', not host names"),
    ("CORS_ALLOWED_ORIGINS", "*", "CORS_ALLOWED_ORIGINS is '*', not origins"),
    ("CORS_ALLOWED_ORIGINS", "shop.example", "CORS_ALLOWED_ORIGINS is 'shop.example', not origins"),
    ("DATABASE_URL", "", "DATABASE_URL is missing"),
    ("DATABASE_URL", "sqlite:///shop.db", "DATABASE_URL is not postgresql://"),
    ("REDIS_URL", "localhost:6379", "REDIS_URL is not redis://"),
    ("DB_CONN_MAX_AGE", "1 minute", "DB_CONN_MAX_AGE is '1 minute', not a whole number from 0"),
    ("EMAIL_PORT", "70000", "EMAIL_PORT is '70000', not a whole number from 1 to 65535"),
    ("LOG_LEVEL", "LOUD", "LOG_LEVEL is 'LOUD', not one of DEBUG, INFO"),
    ("ENVIRONMENT", "prod", "ENVIRONMENT is 'prod', not one of production, development, build"),
]


@pytest.mark.parametrize("kind", ["development", "build"])
def test_other_environments_have_defaults(kind: str) -> None:
    """Outside production nothing needs to be set; tracebacks are shown to who asks for them alone."""
    env = Environment({"ENVIRONMENT": kind})

    env.check()
    assert env["DEBUG"] is False


def test_developers_have_names() -> None:
    """Browsers find every name below localhost, so parts of the service can have names of their own."""
    assert ".localhost" in Environment({"ENVIRONMENT": "development"})["ALLOWED_HOSTS"]


def test_safe_values_are_taken(safe: dict[str, str]) -> None:
    """Production starts when everything is there and safe; spaces and the newline of a file do not count."""
    env = Environment(safe | {"SECRET_KEY": safe["SECRET_KEY"] + "\n", "DB_CONN_MAX_AGE": "0"})

    env.check()
    assert env["SECRET_KEY"] == safe["SECRET_KEY"]
    assert (env["ALLOWED_HOSTS"], env["DB_CONN_MAX_AGE"]) == (["shop.example", "www.shop.example"], 0)
    assert (env["DEBUG"], env["CORS_ALLOWED_ORIGINS"], env["SENTRY_DSN"]) == (False, [], None)


@pytest.mark.parametrize(("name", "value", "problem"), BAD)
def test_unsafe_value_is_refused(safe: dict[str, str], name: str, value: str, problem: str) -> None:
    """Production names what is wrong with a variable, and what is expected."""
    env = Environment(safe | {name: value})

    assert [line for line in env.problems if problem in line] == env.problems != []


@pytest.mark.parametrize(("name", "value", "_"), BAD)
def test_schema_says_the_same(safe: dict[str, str], name: str, value: str, _: str) -> None:
    """What is refused is refused by JSON Schema, too, and so by every tool that reads the file."""
    validator = jsonschema.Draft202012Validator(SCHEMA)

    def is_valid(variables: dict[str, str]) -> bool:
        return validator.is_valid({key: found for key, found in Environment(variables).values.items() if found})

    assert is_valid(safe)
    # An unset flag has its default, so only what is set and false can be looked at here.
    assert not is_valid(safe | {name: value}) or value in {" , "}


def test_all_problems_are_told_at_once() -> None:
    """An empty environment is answered with one list."""
    with pytest.raises(ImproperlyConfigured) as caught:
        Environment({}).check()

    names = re.findall(r"^  - (\w+) is missing", str(caught.value), re.MULTILINE)
    assert names == ["SECRET_KEY", "ALLOWED_HOSTS", "DATABASE_URL", "REDIS_URL"]


def test_no_secret_is_repeated(safe: dict[str, str]) -> None:
    """What is wrong with a secret is said without its value."""
    secrets = [name for name in NAMES if SCHEMA["properties"][name].get("writeOnly")]

    assert "hunter2" not in json.dumps(Environment(safe | dict.fromkeys(secrets, "hunter2")).problems)


@pytest.mark.parametrize(("name", "other"), [("AZURE_CONTAINER", "AZURE_CONNECTION_STRING")])
def test_what_belongs_together_is_asked_for(safe: dict[str, str], name: str, other: str) -> None:
    """A switch that needs another variable says so."""
    assert f"{other} is missing, which {name} needs" in "\n".join(Environment(safe | {name: "uploads"}).problems)


def test_switch_without_its_extra_is_refused(safe: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A switch whose distribution is not in the image says what to add."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)

    (problem,) = Environment(safe | {"SENTRY_DSN": "https://key@faults.example/1"}).problems
    assert problem.startswith("SENTRY_DSN needs the extra 'sentry': add it to `extras` in [tool.estiba]")


def test_every_variable_is_explained() -> None:
    """The table in README is the schema: every variable, and no other, with what it is in production."""
    if not (ROOT / "README.md").exists():
        pytest.fail("run the tests from the sources, where README.md is")
    table = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Settings")[2].partition("\n## ")[0]

    rows = re.findall(r"^\| `(\w+)` \| .+ \| (.*) \|$", table, re.MULTILINE)
    assert sorted(name for name, _ in rows) == NAMES
    assert {name: said.strip() for name, said in rows} == {name: say(name) for name in NAMES}


def say(name: str) -> str:
    """Return what the table has to say of a variable in production."""
    rule, then = SCHEMA["properties"][name], SCHEMA["then"]
    if name in then["required"]:
        return "required"
    if then["properties"].get(name, {}).get("const") is False:
        return "refused"
    if "x-extra" in rule:
        return f"extra `{rule['x-extra']}`"
    return f"`{rule['default']}`" if rule.get("default") else ""


def test_nothing_else_is_read() -> None:
    """The settings read variables through the schema alone."""
    readers = [file.name for file in (ROOT / "config").glob("*.py") if "os.environ" in file.read_text(encoding="utf-8")]

    assert sorted(readers) == ["settings.py", "wsgi.py"]
    assert os.environ["DJANGO_SETTINGS_MODULE"] == "config.settings"
