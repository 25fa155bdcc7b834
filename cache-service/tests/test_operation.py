"""What operators ask of a cache."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.utils import timezone

from caches.models import Audit, Pin, Scope, StorePath, Token
from tests import nars

if TYPE_CHECKING:
    from django.http import HttpResponse

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner() -> nars.Place:
    """Return a private cache with a token that may do everything."""
    return nars.open_place("owned", Scope.ADMIN)


def ask(place: nars.Place, method: str, address: str, body: object = None) -> HttpResponse:
    """Ask with JSON."""
    return place.client.generic(
        method,
        f"/{place.cache.name}/api/{address}",
        json.dumps(body) if body is not None else "",
        content_type="application/json",
        headers=place.credentials,
    )


def found(answer: HttpResponse) -> dict[str, Any]:
    """Return what an answer says."""
    assert answer.status_code < 300, answer.content
    said: dict[str, Any] = answer.json()
    return said


def test_pins_are_made_listed_and_removed(owner: nars.Place) -> None:
    """A pin has any number of parts in its name, and keeps its newest paths."""
    names = [nars.name_of(number) for number in (1, 2)]
    for number, name in enumerate(names, start=1):
        owner.push(nars.make(number))
        said = found(ask(owner, "PUT", "pins/releases/1.4", {"path": name, "keep": 1}))

    assert said == {"name": "releases/1.4", "paths": names[1:]}
    (pin,) = found(ask(owner, "GET", "pins"))["pins"]
    assert (pin["name"], pin["path"]) == ("releases/1.4", names[1])
    assert found(ask(owner, "DELETE", "pins/releases/1.4")) == {"name": "releases/1.4", "removed": 1}
    assert ask(owner, "DELETE", "pins/releases/1.4").status_code == 404
    assert not Pin.objects.exists()
    assert {row.action for row in Audit.objects.all()} == {"push", "pin", "unpin"}


@pytest.mark.parametrize("body", [{}, {"path": 1}, {"path": "x", "keep": "5"}, {"path": "x", "keep": True}])
def test_senseless_pin_is_refused(owner: nars.Place, body: object) -> None:
    """A pin has a path and a number."""
    assert ask(owner, "PUT", "pins/release", body).status_code == 400


def test_figures_are_counted(owner: nars.Place) -> None:
    """An empty cache has nothing; a path counts with its NAR."""
    assert set(found(ask(owner, "GET", "figures")).values()) == {0}
    made = nars.make(1)
    owner.push(made)

    assert found(ask(owner, "GET", "figures")) == {
        "file_size": len(made.file),
        "files": 1,
        "marked": 0,
        "nar_size": made.info.nar_size,
        "paths": 1,
        "pins": 0,
    }


def test_reason_is_told(owner: nars.Place) -> None:
    """Whoever may read learns why a path is kept."""
    owner.push(nars.make(1))
    name = nars.name_of(1)

    assert found(ask(owner, "GET", f"reasons/{name[:32]}"))["reason"].endswith(f" → {name}")
    assert ask(owner, "GET", f"reasons/{'9' * 32}").status_code == 404


def test_collection_is_tried_and_done(owner: nars.Place) -> None:
    """A trial changes nothing; a collection has its usual grace, whoever asks for it."""
    owner.push(nars.make(1))
    StorePath.objects.update(pushed_at=timezone.now() - timedelta(days=40))

    trial = found(ask(owner, "POST", "collections", {"dry_run": True}))
    assert trial == {"deleted": [], "files": 0, "kept": 0, "marked": 1, "size": 0}
    assert StorePath.objects.get().tombstoned_at is None
    assert found(ask(owner, "POST", "collections", {})) == trial
    assert StorePath.objects.get().tombstoned_at is not None
    assert ask(owner, "POST", "collections", {"dry_run": "yes"}).status_code == 400


def test_owner_gives_tokens(owner: nars.Place) -> None:
    """A token has what the owner says, and is shown once."""
    said = found(ask(owner, "POST", "tokens", {"name": "ci", "scopes": ["push", "pin"], "days": 30}))

    token = Token.find(said["token"])
    assert token is not None
    assert (token.name, token.scopes, token.cache) == ("ci", ["pin", "push"], owner.cache)
    assert token.expires_at is not None
    assert abs(token.expires_at - timezone.now() - timedelta(days=30)) < timedelta(minutes=5)
    assert said["token"] not in str(list(Token.objects.values()))


@pytest.mark.parametrize(
    "change",
    [
        {"name": ""},
        {"name": "x" * 101},
        {"name": "a\nb"},
        {"name": 1},
        {"scopes": []},
        {"scopes": "push"},
        {"scopes": ["all"]},
        {"scopes": [["push"]]},
        {"days": 0},
        {"days": "30"},
        {"days": 10**9},
    ],
)
def test_senseless_token_is_refused(owner: nars.Place, change: dict[str, object]) -> None:
    """A token has a name, known scopes, and maybe an end."""
    assert ask(owner, "POST", "tokens", {"name": "ci", "scopes": ["read"], **change}).status_code == 400


NEEDS = [
    ("GET", "pins", Scope.READ),
    ("GET", "figures", Scope.READ),
    ("GET", f"reasons/{'0' * 32}", Scope.READ),
    ("PUT", "pins/release", Scope.PIN),
    ("DELETE", "pins/release", Scope.PIN),
    ("POST", "sessions", Scope.PUSH),
    ("POST", "collections", Scope.DELETE),
    ("POST", "deletions", Scope.DELETE),
    ("POST", "checks", Scope.ADMIN),
    ("POST", "tokens", Scope.ADMIN),
]


@pytest.mark.parametrize(("method", "address", "scope"), NEEDS)
def test_who_may_do_what(method: str, address: str, scope: Scope) -> None:
    """Each needs its scope, which `admin` includes; strangers and tokens of other caches get nothing."""
    place, other = nars.open_place("owned", Scope.READ), nars.open_place("other", Scope.ADMIN)

    def status(secret: str) -> int:
        asking = nars.Place(cache=place.cache, secret=secret)
        return ask(asking, method, address, {}).status_code

    allowed = {}
    for one in Scope:
        _, secret = Token.create(place.cache, "somebody", [one])
        allowed[one] = status(secret) not in {401, 403}

    # Every token reads.
    assert allowed == {one: scope == Scope.READ or one in {scope, Scope.ADMIN} for one in Scope}
    assert (status("nothing"), status(other.secret)) == (401, 403)
