"""Tests run with the settings of a build, PostgreSQL and Redis; `invoke check` brings both."""

import os
from collections.abc import Iterator

import django
import pytest
from django.conf import settings
from django.core.cache import caches
from django.core.management import call_command
from django.test import override_settings

os.environ.setdefault("ENVIRONMENT", "build")
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

SAFE = {
    "ENVIRONMENT": "production",
    "DEBUG": "false",
    "SECRET_KEY": "kq3v9XwLz0TnB5yRj8HsEf2UdC7pMa4gNb6tWxQy1ZoJiVhKrS",
    "ALLOWED_HOSTS": "shop.example, www.shop.example",
    "DATABASE_URL": "postgresql://user@database/shop",
    "REDIS_URL": "redis://redis:6379/4",
}


@pytest.fixture(autouse=True, scope="session")
def _messages() -> None:
    """Compile the translations where no build has done so."""
    if not list(settings.BASE_DIR.glob("*/locale/*/LC_MESSAGES/*.mo")):
        call_command("compilemessages", ignore_patterns=[".*"], verbosity=0)


@pytest.fixture(autouse=True, scope="session")
def _static_files(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Collect the static files, whose hashed names the pages use."""
    settings.STATIC_ROOT = str(tmp_path_factory.mktemp("static"))
    call_command("collectstatic", interactive=False, verbosity=0)


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    """Begin with empty caches, whose databases are not rolled back, and do not spend time on passwords of nobody."""
    for cache in caches.all():
        cache.clear()
    with override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"]):
        yield


@pytest.fixture
def safe() -> dict[str, str]:
    """Return the least that production needs."""
    return dict(SAFE)
