"""What the settings refuse."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from config.environment import Environment

KEY = "kq3v9XwLz0TnB5yRj8HsEf2UdC7pMa4gNb6tWxQy1ZoJiVhKrS"


def read(**variables: str) -> Environment:
    """Read every kind of variable, as the settings do."""
    env = Environment(variables)
    env.debug()
    env.secret_key()
    env.hosts("ALLOWED_HOSTS")
    env.origins("CORS_ALLOWED_ORIGINS")
    env.url("DATABASE_URL", default="postgresql://localhost/test")
    return env


def test_safe_values_are_taken() -> None:
    """Production starts when everything is there and safe."""
    read(SECRET_KEY=KEY, ALLOWED_HOSTS="example.org, www.example.org", DATABASE_URL="postgresql://db/x").check()


@pytest.mark.parametrize("kind", ["development", "build"])
def test_other_environments_have_defaults(kind: str) -> None:
    """Outside production nothing needs to be set."""
    read(ENVIRONMENT=kind).check()


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("DEBUG", "true", "DEBUG shows settings"),
        ("DEBUG", "perhaps", "DEBUG is 'perhaps'"),
        ("SECRET_KEY", "", "SECRET_KEY is missing"),
        ("SECRET_KEY", KEY[1:], "SECRET_KEY is easy to guess"),
        ("SECRET_KEY", "a" * 60, "SECRET_KEY is easy to guess"),
        ("SECRET_KEY", f"django-insecure-{KEY}", "SECRET_KEY is easy to guess"),
        ("ALLOWED_HOSTS", "", "ALLOWED_HOSTS is missing"),
        ("ALLOWED_HOSTS", "example.org,*", "ALLOWED_HOSTS has a wildcard"),
        ("CORS_ALLOWED_ORIGINS", "*", "CORS_ALLOWED_ORIGINS has a wildcard"),
        ("DATABASE_URL", "", "DATABASE_URL is missing"),
        ("ENVIRONMENT", "prod", "ENVIRONMENT is 'prod'"),
    ],
)
def test_unsafe_value_is_refused(name: str, value: str, problem: str) -> None:
    """Production names what is unsafe about a variable."""
    safe = {"SECRET_KEY": KEY, "ALLOWED_HOSTS": "example.org", "DATABASE_URL": "postgresql://db/x"}

    with pytest.raises(ImproperlyConfigured, match=problem):
        read(**safe | {name: value}).check()


def test_all_problems_are_told_at_once() -> None:
    """An empty environment is answered with one list."""
    with pytest.raises(ImproperlyConfigured, match=r"(?s)SECRET_KEY.*ALLOWED_HOSTS.*DATABASE_URL"):
        read().check()
