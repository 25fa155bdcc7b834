"""Deletion of single paths."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.utils import timezone

from caches import pins
from caches.access import Visit
from caches.models import Audit, Lease, NarFile, Scope, StorePath
from tests import nars

if TYPE_CHECKING:
    from pathlib import Path

    from django.http import HttpResponse

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner() -> nars.Place:
    """Return a public cache with a path that refers to another one, both pushed two hours ago."""
    place = nars.open_place("owned", Scope.PUSH, Scope.DELETE, public=True)
    for made in (nars.make(1), nars.make(2, nars.name_of(1))):
        assert place.push(made).status_code == 201
    place.cache.paths.update(pushed_at=timezone.now() - timedelta(hours=2))
    return place


def delete(place: nars.Place, path: object, **more: object) -> HttpResponse:
    """Ask for a deletion."""
    body = json.dumps({"path": path, **more})
    address = f"/{place.cache.name}/api/deletions"
    return place.client.generic("POST", address, body, content_type="application/json", headers=place.credentials)


def test_deleted_path_is_gone_at_once(owner: nars.Place, folder: Path) -> None:
    """Nobody sees it any more, nor its listing; its NAR stays for who has just read of it, and the rest is whole."""
    first, second = nars.name_of(1), nars.name_of(2)
    assert owner.put(f"{second[:32]}.ls", "{}").status_code == 201
    published = folder / "public/owned" / f"{second[:32]}.narinfo"
    assert published.exists()

    answer = delete(owner, second)

    assert answer.json() == {"path": second, "size": nars.make(2, first).info.nar_size}
    assert not published.exists()
    for place in (f"{second[:32]}.narinfo", f"{second[:32]}.ls"):
        assert owner.get(place, stranger=True).status_code == 404
    assert list(StorePath.objects.values_list("base_name", flat=True)) == [first]
    assert NarFile.objects.get(paths=None).leased_until > timezone.now() + timedelta(hours=5)
    assert Audit.objects.filter(action="delete", who="ci", subject=second).count() == 1
    assert delete(owner, first).status_code == 200
    assert owner.push(nars.make(1)).status_code == 201


def test_trial_deletes_nothing(owner: nars.Place, folder: Path) -> None:
    """It says what a deletion would say, and neither rows nor files nor the audit change."""
    name = nars.name_of(2)

    assert delete(owner, name, dry_run=True).status_code == 200

    assert StorePath.objects.count() == 2
    assert (folder / "public/owned" / f"{name[:32]}.narinfo").exists()
    assert not Audit.objects.filter(action="delete").exists()
    assert delete(owner, nars.name_of(1), dry_run=True).status_code == 409


@pytest.mark.parametrize("need", ["pin", "reference", "lease", "push"])
def test_needed_path_is_refused_with_the_reason(owner: nars.Place, need: str) -> None:
    """A pin, a path that refers to it, or a push that counts on it; nothing is changed."""
    name = nars.name_of(1 if need == "reference" else 2)
    visit = Visit(cache=owner.cache, token=None)
    match need:
        case "pin":
            pins.pin(visit, "release-1", name)
            reason = "it is pinned as release-1; unpin it first"
        case "reference":
            reason = f"others refer to it, which have to go first: {nars.name_of(2)}"
        case "lease":
            end = timezone.now() + timedelta(hours=5)
            Lease.objects.create(cache=owner.cache, session=uuid.uuid4(), hash_part=name[:32], expires_at=end)
            reason = f"a push counts on it until {end:%Y-%m-%d %H:%M} UTC"
        case _:
            # What Nix asks before it pushes is a promise.
            assert owner.get(f"{name[:32]}.narinfo").status_code == 200
            end = StorePath.objects.get(base_name=name).pushed_at + timedelta(hours=1)
            reason = f"a push counts on it until {end:%Y-%m-%d %H:%M} UTC"

    assert nars.said(delete(owner, name), 409) == f"{name} is needed: {reason}\n"
    assert StorePath.objects.count() == 2


def test_unknown_path_and_senseless_question_are_refused(owner: nars.Place) -> None:
    """A path of another cache is unknown here; a deletion has a path."""
    nars.open_place("other", Scope.PUSH).push(nars.make(3))

    assert nars.said(delete(owner, nars.name_of(3)), 404) == f"the cache does not have {nars.name_of(3)}\n"
    assert delete(owner, 1).status_code == 400
    assert delete(owner, nars.name_of(1), dry_run="yes").status_code == 400
