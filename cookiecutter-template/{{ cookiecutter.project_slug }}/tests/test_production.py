"""What production is like: the settings that strangers and auditors look at, in a process of its own."""

import functools
import importlib.machinery
import json
import os
import runpy
import subprocess
import sys
import types
from pathlib import Path

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from config import extras
from config.environment import Environment
from config.logs import NAME, RELEASE
from config.settings import next_database

PROGRAM = Path(__file__).with_name("production.py")
SETTINGS = str(PROGRAM.parent.parent / "config" / "settings.py")
HEADERS = {
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains; preload",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


ARRIVE = [
    ("CORS_ALLOWED_ORIGINS", "https://a.example", "CORS_ALLOWED_ORIGINS", ["https://a.example"]),
    ("CSRF_TRUSTED_ORIGINS", "https://b.example", "CSRF_TRUSTED_ORIGINS", ["https://b.example"]),
    ("DB_CONN_MAX_AGE", "7", "DATABASES.default.CONN_MAX_AGE", 7),
    ("DEFAULT_FROM_EMAIL", "shop@shop.example", "DEFAULT_FROM_EMAIL", "shop@shop.example"),
    ("EMAIL_HOST", "mail.example", "EMAIL_HOST", "mail.example"),
    ("EMAIL_PORT", "587", "EMAIL_PORT", 587),
    ("LANGUAGE_CODE", "es", "LANGUAGE_CODE", "es"),
    ("LOG_LEVEL", "WARNING", "LOGGING.root.level", "WARNING"),
    ("MEDIA_ROOT", "/srv/uploads", "MEDIA_ROOT", "/srv/uploads"),
    ("TIMESCALEDB", "true", "TIMESCALEDB", True),
]
"""Variables, what they are set to, and where that has to be then."""

FIXED = {
    "CACHES.catalogue.TIMEOUT": 3600,
    "DATABASES.default.CONN_HEALTH_CHECKS": True,
    "EMAIL_TIMEOUT": 10,
    "MEDIA_URL": "/media/",
    "RQ_QUEUES.default.DEFAULT_TIMEOUT": 360,
    "USE_TZ": True,
}
"""What is the same everywhere, and hurts only much later where it is another."""


def look_up(found: dict, path: str) -> object:
    """Return a setting by its name and the keys in it."""
    return functools.reduce(lambda value, key: value[key], path.split("."), found)


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
    return json.loads(done.stderr) | {"log": done.stdout.splitlines()}


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
        **{name: value for name, value, *_ in ARRIVE},
    }
    return ask(*(safe | more).items())


def test_security_headers_are_there(production: dict) -> None:
    """Pages tell browsers to refuse what they can."""
    headers = production["headers"]

    assert production["status"] == [200, 200, 404]
    assert {name: headers.get(name) for name in HEADERS} == HEADERS
    policy = dict(part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";"))
    assert policy == {
        "default-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
        "object-src": "'none'",
        # Of Swagger UI alone, whose page this is.
        "style-src": "'self' 'unsafe-inline'",
        "img-src": "'self' data:",
    }


def test_static_files_are_kept_by_browsers(production: dict) -> None:
    """The process itself gives files whose names tell their content, and browsers need not ask for them again."""
    assert production["file"]["Cache-Control"] == "max-age=315360000, public, immutable"


def test_log_is_json_on_the_standard_output(production: dict, other: dict) -> None:
    """Each request has its line, and what Django has to say is said once; `LOG_LEVEL` counts."""

    def list_lines(found: dict) -> list[tuple[str, str]]:
        lines = [json.loads(line) for line in found["log"]]
        return [(line["log"]["logger"], line["message"]) for line in lines]

    warnings = [("django.request", "Not Found: /api/nothing/")]
    assert list_lines(other) == warnings
    assert [name for name, _ in list_lines(production)] == ["request", "request", "request", "django.request"]
    assert warnings[0] in list_lines(production)


@pytest.mark.parametrize(("name", "path", "value"), [(name, path, value) for name, _, path, value in ARRIVE])
def test_variable_arrives(production: dict, other: dict, name: str, path: str, value: object) -> None:
    """What a variable says is what the setting is, and without it the setting is another one."""
    assert look_up(other, path) == value, name
    assert look_up(production, path) != value, name


@pytest.mark.parametrize(("path", "value"), FIXED.items())
def test_setting_is_as_intended(production: dict, path: str, value: object) -> None:
    """Whoever changes one of these changes it here, too."""
    assert look_up(production, path) == value


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
    assert (other["EMAIL_BACKEND"], other["ANYMAIL"]) == (
        "anymail.backends.brevo.EmailBackend",
        {"BREVO_API_KEY": "key"},
    )
    assert other["SERVER_EMAIL"] == "shop@shop.example"


def test_uploads_go_where_they_are_told() -> None:
    """Into a folder, a bucket or a container; a second file of a name never takes the place of the first one."""
    folder = extras.media(Environment({}))
    bucket = extras.media(Environment({"S3_BUCKET": "uploads", "S3_ENDPOINT_URL": "https://s3.example"}))
    container = extras.media(Environment({"AZURE_CONTAINER": "uploads", "AZURE_CONNECTION_STRING": "key"}))

    assert folder == {"BACKEND": "django.core.files.storage.FileSystemStorage"}
    assert (bucket["BACKEND"].split(".")[-1], bucket["OPTIONS"]) == (
        "S3Storage",
        {"bucket_name": "uploads", "endpoint_url": "https://s3.example", "file_overwrite": False},
    )
    assert (container["BACKEND"].split(".")[-1], container["OPTIONS"]) == (
        "AzureStorage",
        {"azure_container": "uploads", "connection_string": "key", "overwrite_files": False},
    )


def test_people_log_in_elsewhere() -> None:
    """OpenID Connect has the addresses of the issuer's realm, and passwords of the service work beside it."""
    realm = "https://login.example/realms/staff"
    variables = {"OIDC_ISSUER": f"{realm}/", "OIDC_CLIENT_ID": "shop", "OIDC_CLIENT_SECRET": "secret"}
    found = dict(extras.login(Environment(variables)))

    assert extras.login(Environment({})) == {}
    assert [name.split(".")[0] for name in found.pop("AUTHENTICATION_BACKENDS")] == ["django", "mozilla_django_oidc"]
    assert {name: value.removeprefix(f"{realm}/protocol/openid-connect/") for name, value in found.items()} == {
        "OIDC_RP_CLIENT_ID": "shop",
        "OIDC_RP_CLIENT_SECRET": "secret",
        "OIDC_RP_SIGN_ALGO": "RS256",
        "OIDC_OP_AUTHORIZATION_ENDPOINT": "auth",
        "OIDC_OP_TOKEN_ENDPOINT": "token",
        "OIDC_OP_USER_ENDPOINT": "userinfo",
        "OIDC_OP_JWKS_ENDPOINT": "certs",
        "LOGIN_URL": "oidc_authentication_init",
        "LOGIN_REDIRECT_URL": "/",
        "LOGOUT_REDIRECT_URL": "/",
    }


def test_switches_reach_the_settings(monkeypatch: pytest.MonkeyPatch, safe: dict[str, str]) -> None:
    """What extras return for uploads and for logging in is what Django gets, and agents start; unsafe values end it."""
    started = []
    switches = {"S3_BUCKET": "uploads", "OIDC_ISSUER": "https://login.example/realms/staff", "OIDC_CLIENT_SECRET": "x"}
    for name, value in (safe | switches).items():
        monkeypatch.setenv(name, value)
    # As if they were in the image; the settings import none of them.
    monkeypatch.setattr("importlib.util.find_spec", lambda _: True)

    monkeypatch.setattr(extras, "start", started.append)

    found = runpy.run_path(SETTINGS)
    monkeypatch.setenv("DEBUG", "true")
    with pytest.raises(ImproperlyConfigured, match="DEBUG is 'true'"):
        runpy.run_path(SETTINGS)

    assert started == [found["env"]]
    assert found["STORAGES"]["default"] == extras.media(Environment(switches))
    assert {name: found[name] for name in extras.login(Environment(switches))} == extras.login(Environment(switches))


def test_faults_are_those_of_a_release(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sentry is told of which release and place a fault is; without an address it is not even imported."""
    told = []
    agent = types.ModuleType("sentry_sdk")
    agent.__spec__ = importlib.machinery.ModuleSpec(agent.__name__, None)
    agent.init = lambda **options: told.append(options)
    monkeypatch.setitem(sys.modules, agent.__name__, agent)
    for address in ("", "https://key@faults.example/1"):
        extras.start(Environment({"ENVIRONMENT": "build", "SENTRY_DSN": address}))

    assert told == [{"dsn": "https://key@faults.example/1", "release": f"{NAME}@{RELEASE}", "environment": "build"}]


def test_tokens_have_their_own_key(production: dict, other: dict, safe: dict[str, str]) -> None:
    """Tokens are signed with their own key where there is one."""
    keys = [found["SIMPLE_JWT"]["SIGNING_KEY"] for found in (production, other)]

    assert keys == [safe["SECRET_KEY"], safe["SECRET_KEY"][::-1]]
