"""Who may do what, and what strangers see."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING

import pytest
from django.test import Client

from caches.models import Cache, Scope, Token
from tests import nars

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpResponse

pytestmark = pytest.mark.django_db


def test_strangers_see_nothing_private(private: nars.Place) -> None:
    """A private cache looks to strangers like one that does not exist."""
    made = nars.make(1)
    private.push(made)

    for address in ("nix-cache-info", f"{made.info.hash_part}.narinfo", made.info.url, f"{made.info.hash_part}.ls"):
        answers = [Client().get(f"/{name}/{address}") for name in ("secret", "nothing")]
        assert [answer.status_code for answer in answers] == [401, 401]
        assert answers[0].headers["WWW-Authenticate"].startswith("Basic ")
        assert nars.body(answers[0]) == nars.body(answers[1])
    assert b"secret" not in nars.body(Client().get("/"))


def test_password_is_a_token(private: nars.Place) -> None:
    """A netrc file has the token as a password, with any name."""
    shown = b64encode(f"anybody:{private.secret}".encode()).decode()

    assert Client().get("/secret/nix-cache-info", headers={"Authorization": f"Basic {shown}"}).status_code == 200


@pytest.mark.parametrize("header", ["Basic !", "Basic 4pyT", "Bearer ", "Digest x", "Bearer cache_wrong", "Basic OmE="])
def test_other_credentials_are_none(private: nars.Place, place: nars.Place, header: str) -> None:
    """Whoever shows something else is a stranger."""
    headers = {"Authorization": header}

    assert Client().get("/secret/nix-cache-info", headers=headers).status_code == 401
    assert Client().get("/team/nix-cache-info", headers=headers).status_code == 200


SENDING = [
    lambda name, headers: Client().put(f"/{name}/nar/{'0' * 52}.nar", headers=headers),
    lambda name, headers: Client().put(f"/{name}/{'0' * 32}.narinfo", headers=headers),
    lambda name, headers: Client().put(f"/{name}/{'0' * 32}.ls", headers=headers),
    lambda name, headers: Client().put(f"/{name}/nix-cache-info", headers=headers),
]


@pytest.mark.parametrize("send", SENDING, ids=["nar", "narinfo", "listing", "info"])
def test_who_may_push(place: nars.Place, send: Callable[[str, dict[str, str]], HttpResponse]) -> None:
    """Pushing needs a token of this cache with that scope, also where everybody may read."""
    other = nars.open_place("other")

    def status(*scopes: str, cache: Cache = place.cache) -> int:
        _, secret = Token.create(cache, "somebody", list(scopes))
        return send("team", {"Authorization": f"Bearer {secret}"}).status_code

    assert send("team", {}).status_code == 401
    assert [status(scope) for scope in (Scope.READ, Scope.PIN, Scope.DELETE)] == [403, 403, 403]
    assert status(Scope.PUSH, cache=other.cache) == 403
    assert status(Scope.PUSH) not in {401, 403}
    assert status(Scope.ADMIN) not in {401, 403}


def test_token_of_another_cache_reads_what_is_public(place: nars.Place) -> None:
    """A netrc file has one token for a host: it is no obstacle, and no right."""
    other = nars.open_place("other")

    assert Client().get("/team/nix-cache-info", headers=other.credentials).status_code == 200
    assert Client().get("/nothing/nix-cache-info", headers=other.credentials).status_code == 403


def test_token_ends(private: nars.Place) -> None:
    """An expired or revoked token is none from then on."""
    token = Token.objects.get()
    moment = token.created_at
    for change in ({"expires_at": moment}, {"expires_at": None, "revoked_at": moment}):
        assert private.get("nix-cache-info").status_code == 200 or change["expires_at"] is None
        Token.objects.update(**change)
        assert private.get("nix-cache-info").status_code == 401


def test_no_log_has_a_token(private: nars.Place, caplog: pytest.LogCaptureFixture) -> None:
    """What is logged of a request is its method, its path and its status."""
    with caplog.at_level("DEBUG"):
        private.push(nars.make(1))
        private.get("nix-cache-info", Authorization="Bearer cache_of-nobody")

    assert "PUT /secret/" in caplog.text
    written = caplog.text + "".join(str(vars(record)) for record in caplog.records if record.name == "request")
    assert private.secret not in written
    assert "cache_of-nobody" not in written


def test_caches_share_no_file(place: nars.Place, private: nars.Place) -> None:
    """Whoever knows the hash of another cache's file does not get it by naming it."""
    made = nars.make(1)
    private.push(made)

    assert place.get(made.info.url).status_code == 404
    assert "before the narinfo" in nars.said(place.put(f"{made.info.hash_part}.narinfo", made.info.render()), 422)
