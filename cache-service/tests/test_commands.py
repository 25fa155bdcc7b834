"""Management commands: caches, keys, tokens."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from caches.models import Cache, Token
from protocol import signature

pytestmark = pytest.mark.django_db


@pytest.fixture
def key(capsys: pytest.CaptureFixture[str]) -> str:
    """Make a cache, and return its key."""
    call_command("create_cache", "team", public=True, keep_days=7)
    return capsys.readouterr().out.strip()


def test_cache_has_a_key(key: str) -> None:
    """Its name is the cache's, and so is that of the key."""
    cache = Cache.objects.get()

    assert (cache.name, cache.is_public, cache.keep_days) == ("team", True, 7)
    assert signature.is_public_key(key)
    assert key.startswith("team-1:")


@pytest.mark.parametrize(
    "name", ["team", "admin", "api", "internal", "static", "Team", "a b", "-a", "a/b", "x" * 51, ""]
)
def test_unusable_name_is_refused(key: str, name: str) -> None:
    """A cache is the first part of addresses that nothing else has."""
    with pytest.raises(CommandError):
        call_command("create_cache", name)
    assert Cache.objects.count() == 1


def test_keys_follow_each_other(key: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A new key signs beside the old one until that is retired; the last one stays."""
    call_command("create_key", "team")
    new, old = capsys.readouterr().out.split()
    assert (new.partition(":")[0], old) == ("team-2", key)

    call_command("create_key", "team", retire="team-1")

    assert capsys.readouterr().out.split() == [new]
    with pytest.raises(CommandError, match="no other key would sign"):
        call_command("create_key", "team", retire="team-2")
    call_command("create_key", "team")
    for options, problem in (
        ({"retire": "other"}, "no key named 'other'"),
        ({"name": "team-1"}, "there is a key named team-1"),
        ({"name": "a:b"}, "not a key's name"),
    ):
        with pytest.raises(CommandError, match=problem):
            call_command("create_key", "team", **options)


def test_token_is_shown_once(key: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It reads unless somebody says more, and ends when it should."""
    call_command("create_token", "team", "laptop")
    call_command("create_token", "team", "ci", scope=["push", "pin"], days=3)

    first, second = (Token.find(secret) for secret in capsys.readouterr().out.split())

    assert first is not None
    assert second is not None
    assert (first.scopes, first.expires_at) == (["read"], None)
    assert second.scopes == ["push", "pin"]
    assert second.expires_at is not None
    assert abs(second.expires_at - timezone.now() - timedelta(days=3)) < timedelta(minutes=5)


@pytest.mark.parametrize("words", [("create_token", "other", "ci"), ("create_key", "other"), ("pin", "other", "a")])
def test_unknown_cache_is_an_error(words: tuple[str, ...]) -> None:
    """Each command says which cache there is not."""
    with pytest.raises(CommandError, match="no cache named 'other'"):
        call_command(*words)
