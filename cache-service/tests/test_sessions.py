"""Pushes by a session: one question, one publication."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.utils import timezone

from caches import collection, publication, storage
from caches.models import Lease, NarFile, Scope, StorePath
from protocol import narinfo, nix32
from tests import nars

if TYPE_CHECKING:
    from django.http import HttpResponse

    from caches.models import Cache

pytestmark = pytest.mark.django_db


def post(place: nars.Place, address: str, body: object) -> HttpResponse:
    """Send JSON."""
    text = body if isinstance(body, str) else json.dumps(body)
    return place.client.post(
        f"/{place.cache.name}/{address}", data=text, content_type="application/json", headers=place.credentials
    )


def ask(place: nars.Place, *made: nars.Made) -> dict[str, Any]:
    """Ask which of some paths are missing."""
    paths = {one.info.base_name: f"sha256:{nix32.encode(one.info.nar_hash)}" for one in made}
    answer = post(place, "api/sessions", {"paths": paths})
    assert answer.status_code == 201, answer.content
    found: dict[str, Any] = answer.json()
    return found


def publish(place: nars.Place, session: str, *made: nars.Made) -> HttpResponse:
    """Send NARs, and publish their narinfos."""
    for one in made:
        assert place.put(one.info.url, one.file).status_code == 201
    return post(place, f"api/sessions/{session}", {"narinfos": [one.info.render() for one in made]})


def test_closure_is_published_at_once(place: nars.Place) -> None:
    """One question tells all that is missing; the narinfos come in any order, and are visible together."""
    made = [nars.make(1), nars.make(2, nars.name_of(1)), nars.make(3, nars.name_of(2))]
    place.push(made[0])

    found = ask(place, *made)

    assert found["missing"] == [one.info.base_name for one in made[1:]]
    assert found["public_keys"] == [key.public for key in place.cache.signing_keys.all()]
    assert publish(place, found["session"], made[2], made[1]).status_code == 201
    assert StorePath.objects.count() == 3
    assert publish(place, found["session"], made[2], made[1]).status_code == 201
    assert Lease.objects.latest("expires_at").expires_at < timezone.now() + timedelta(hours=1)
    assert ask(place, *made)["missing"] == []


def test_nothing_is_published_where_one_is_wrong(place: nars.Place) -> None:
    """All of them or none."""
    good, bad = nars.make(1), nars.make(2, nars.name_of(1))
    wrong = replace(bad, info=replace(bad.info, nar_size=bad.info.nar_size + 1))
    found = ask(place, good, bad)

    assert "and the narinfo says" in nars.said(publish(place, found["session"], good, wrong), 422)
    assert "not in the cache" in nars.said(publish(place, found["session"], bad), 422)
    assert not StorePath.objects.exists()
    assert publish(place, found["session"], good, bad).status_code == 201


def test_lease_holds_what_is_there_and_what_comes(place: nars.Place) -> None:
    """From the question to the publication nothing of it is collected, also where nothing else keeps it."""
    made = [nars.make(1), nars.make(2, nars.name_of(1))]
    place.push(made[0])
    old = timezone.now() - timedelta(days=31)
    place.cache.paths.update(pushed_at=old)
    found = ask(place, *made)

    assert collection.collect(place.cache, grace=timedelta(0)).deleted == ()
    assert publish(place, found["session"], made[1]).status_code == 201
    place.client.delete(f"/team/api/sessions/{found['session']}", headers=place.credentials)
    place.cache.paths.update(pushed_at=old)
    assert len(collection.collect(place.cache, grace=timedelta(0)).deleted) == 2


def test_session_ends(place: nars.Place) -> None:
    """After its time, or its end, nothing is published by it, and its leases go."""
    made = nars.make(1)
    ended, late = ask(place, made)["session"], ask(place, made)["session"]
    place.client.delete(f"/team/api/sessions/{ended}", headers=place.credentials)
    Lease.objects.update(expires_at=timezone.now() - timedelta(seconds=1))

    assert [publish(place, one, made).status_code for one in (ended, late)] == [410, 410]
    collection.collect(place.cache)
    assert not Lease.objects.exists()


def test_lost_file_is_missing_and_replaced(place: nars.Place) -> None:
    """A path whose NAR was lost is asked for, and gets one that may be compressed in another way."""
    made = nars.make(1)
    place.push(made)
    storage.locate(NarFile.objects.get().place).unlink()
    found = ask(place, made)
    data = nars.unpacked(made)
    plain = replace(
        made,
        file=data,
        info=replace(
            made.info,
            url=f"nar/{nix32.encode(made.info.nar_hash)}.nar",
            compression="none",
            file_hash=made.info.nar_hash,
            file_size=len(data),
        ),
    )

    assert found["missing"] == [made.info.base_name]
    assert publish(place, found["session"], plain).status_code == 201

    shown = narinfo.parse(place.get(f"{made.info.hash_part}.narinfo", stranger=True).content.decode())
    assert (shown.url, shown.compression) == (plain.info.url, "none")
    assert nars.body(place.get(shown.url, stranger=True)) == data


def test_other_contents_are_refused_at_once(place: nars.Place) -> None:
    """Before anything is sent, a path with other contents is an error, and leaves no lease."""
    place.push(nars.make(1))
    other = nars.make(1, contents=b"other")
    paths = {other.info.base_name: f"sha256:{other.info.nar_hash.hex()}"}

    assert "other contents" in nars.said(post(place, "api/sessions", {"paths": paths}), 409)
    assert not Lease.objects.exists()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("", 411),
        ("[]", 400),
        ("{}", 400),
        ('{"paths": {}}', 400),
        ('{"paths": ["a"]}', 400),
        ('{"paths": {"../../x": "sha256:0"}}', 422),
        (json.dumps({"paths": {nars.name_of(1): "md5:0"}}), 400),
        ("[" * 100_000, 400),
    ],
)
def test_senseless_question_is_refused(place: nars.Place, body: str, status: int) -> None:
    """A question has names and hashes."""
    assert post(place, "api/sessions", body).status_code == status


def test_circle_is_refused(place: nars.Place) -> None:
    """Paths that refer to each other were built by nobody."""
    one, two = nars.make(1, nars.name_of(2)), nars.make(2, nars.name_of(1))
    session = ask(place, one, two)["session"]

    assert "in a circle" in nars.said(publish(place, session, one, two), 422)


def test_sessions_are_for_pushers(place: nars.Place) -> None:
    """A session needs the scope, and is one of its cache."""
    made = nars.make(1)
    reader = nars.open_place("reader", Scope.READ)
    other = nars.open_place("other")
    session = ask(place, made)["session"]

    assert post(reader, "api/sessions", {"paths": {}}).status_code == 403
    assert publish(other, session, made).status_code == 410
    assert reader.client.delete(f"/team/api/sessions/{session}", headers=reader.credentials).status_code == 403


def test_question_about_many_paths(place: nars.Place) -> None:
    """Twenty thousand paths are one question, without a statement for each."""
    paths = {nars.name_of(number): f"sha256:{'0' * 64}" for number in range(20_000)}

    answer = post(place, "api/sessions", {"paths": paths})

    assert (answer.status_code, len(answer.json()["missing"])) == (201, 20_000)


@pytest.mark.django_db(transaction=True)
def test_two_sessions_at_the_same_time(place: nars.Place) -> None:
    """Two that publish the same closure in different order both succeed."""
    made = [nars.make(number) for number in range(1, 6)]
    answers: list[int] = []

    def push(order: list[nars.Made]) -> None:
        try:
            mine = nars.Place(cache=place.cache, secret=place.secret)
            answers.append(publish(mine, ask(mine, *made)["session"], *order).status_code)
        finally:
            connection.close()

    threads = [threading.Thread(target=push, args=[made[::step]]) for step in (1, -1, 1, -1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (answers, StorePath.objects.count()) == ([201] * 4, 5)


def test_what_changed_meanwhile_is_verified_again(place: nars.Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path that was collected while it was published again is not taken without a look at its NAR."""
    made = nars.make(1)
    place.push(made)
    wrong = nars.make(2)
    place.put(wrong.info.url, wrong.file)
    verify = publication._verify

    def collect_after(cache: Cache, *arguments: Any) -> None:
        verify(cache, *arguments)
        monkeypatch.setattr(publication, "_verify", verify)
        cache.paths.all().delete()

    monkeypatch.setattr(publication, "_verify", collect_after)
    false = replace(made.info, url=wrong.info.url, file_hash=None, file_size=None)

    assert "the NAR has the hash" in nars.said(place.put(f"{made.info.hash_part}.narinfo", false.render()), 422)
    assert not StorePath.objects.exists()
