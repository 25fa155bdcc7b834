"""What production is like: the settings that strangers and auditors look at, in a process of its own."""

import functools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

from config import extras
from config.environment import Environment
from config.settings import next_database

PROGRAM = Path(__file__).with_name("production.py")
HEADERS = {
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains; preload",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


@functools.cache
def ask(*variables: tuple[str, str]) -> dict:
    """Return what a process with these variables says about itself."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    paths = {"PYTHONPATH": os.pathsep.join([str(PROGRAM.parent.parent), *sys.path])}
    own = {"DJANGO_SETTINGS_MODULE": "config.settings", "STATIC_ROOT": str(settings.STATIC_ROOT)}
    done = subprocess.run(
        [sys.executable, PROGRAM], env=kept | paths | own | dict(variables), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stderr)


@pytest.fixture
def production(safe: dict[str, str]) -> dict:
    """Return production with the least that it needs."""
    return ask(*safe.items())


@pytest.fixture
def other(safe: dict[str, str]) -> dict:
    """Return production with all that may be set without an extra."""
    more = {
        "BREVO_API_KEY": "key",
        "CACHE_URL": "redis://cache/0",
        "CATALOGUE_CACHE_URL": "redis://items/0",
        "JWT_SIGNING_KEY": safe["SECRET_KEY"][::-1],
        "SSL_REDIRECT": "false",
    }
    return ask(*(safe | more).items())


def test_security_headers_are_there(production: dict) -> None:
    """Pages tell browsers to refuse what they can."""
    headers = production["headers"]

    assert production["status"] == 200
    assert {name: headers.get(name) for name in HEADERS} == HEADERS
    policy = dict(part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";"))
    assert (policy["default-src"], policy["object-src"], policy["frame-ancestors"]) == ("'self'", "'none'", "'none'")
    assert "script-src" not in policy


def test_deployment_check_finds_nothing(production: dict) -> None:
    """Django's own audit of production settings has nothing to say."""
    assert "no issues" in production["check"]


@pytest.mark.parametrize("name", ["SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE", "SECURE_SSL_REDIRECT"])
def test_all_travels_by_https(production: dict, name: str) -> None:
    """Cookies travel by HTTPS alone, and so do pages; tracebacks do not at all."""
    assert (production[name], production["DEBUG"]) == (True, False)


def test_proxy_may_redirect(other: dict) -> None:
    """Where a proxy in front sends people to HTTPS, the service need not; cookies stay what they are."""
    assert (other["SECURE_SSL_REDIRECT"], other["SESSION_COOKIE_SECURE"]) == (False, True)


def test_queue_and_caches_are_apart(production: dict, other: dict) -> None:
    """Each has a database of its own, after that of the queue; an address of its own wins."""

    def places(found: dict) -> list[str]:
        return [found["RQ_QUEUES"]["default"]["URL"], *(cache["LOCATION"] for cache in found["CACHES"].values())]

    queue = "redis://redis:6379/4"
    assert places(production) == [queue, f"{queue}?db=5", f"{queue}?db=6"]
    assert places(other) == [queue, "redis://cache/0", "redis://items/0"]


def test_sockets_have_databases_too() -> None:
    """A Redis on a socket has its database behind the question mark."""
    assert next_database("unix:///run/redis.sock?db=1", 2) == "unix:///run/redis.sock?db=3"
    assert next_database("rediss://redis", 1) == "rediss://redis?db=1"


def test_mail_goes_where_it_is_told(production: dict, other: dict) -> None:
    """Mail goes through Brevo where it has a key, through a server where one is named, and to the log else."""
    named = extras.mail(Environment({"EMAIL_HOST": "mail.example", "EMAIL_PORT": "587"}))

    assert (named["EMAIL_BACKEND"].split(".")[-2], named["EMAIL_HOST"], named["EMAIL_PORT"]) == (
        "smtp",
        "mail.example",
        587,
    )
    assert production["EMAIL_BACKEND"] == "django.core.mail.backends.console.EmailBackend"
    assert other["EMAIL_BACKEND"] == "anymail.backends.brevo.EmailBackend"


def test_tokens_have_their_own_key(production: dict, other: dict, safe: dict[str, str]) -> None:
    """Tokens are signed with their own key where there is one."""
    keys = [found["SIMPLE_JWT"]["SIGNING_KEY"] for found in (production, other)]

    assert keys == [safe["SECRET_KEY"], safe["SECRET_KEY"][::-1]]
