"""What the web server sends by itself: as much as is published, and no more."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.utils import timezone

from caches import collection, fsck, published, storage
from caches.models import Cache, NarFile, Scope, StorePath, Token
from tests import nars

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.django_db


def find(folder: Path, name: str) -> dict[str, bytes]:
    """Return the published files of a cache, by their addresses below it."""
    files = [file for file in (folder / name).rglob("*") if file.is_file()]
    return {str(file.relative_to(folder / name)): file.read_bytes() for file in files}


def test_published_path_is_two_files(place: nars.Place, folder: Path) -> None:
    """They are what the service would send, by the same addresses; the NAR takes no more space."""
    made = nars.make(1)
    place.put(made.info.url, made.file)
    assert find(folder / "public", "team") == {}

    place.push(made)

    address = f"{made.info.hash_part}.narinfo"
    assert find(folder / "public", "team") == {address: place.get(address).content, made.info.url: made.file}
    assert (folder / "public/team" / made.info.url).samefile(storage.locate(NarFile.objects.get().place))


def test_private_files_are_elsewhere(private: nars.Place, folder: Path) -> None:
    """Nothing of a private cache is where everybody may read."""
    private.push(nars.make(1))

    assert len(find(folder / "private", "secret")) == 2
    assert not (folder / "public").exists()


def test_later_signature_is_published(place: nars.Place, folder: Path) -> None:
    """The file is what the database has, also where that changes."""
    made = nars.make(1)
    place.push(made)
    place.push(made, signatures=(nars.sign(made, "builder-1"),))

    (name,) = (name for name in find(folder / "public", "team") if name.endswith(".narinfo"))
    assert b"Sig: builder-1:" in find(folder / "public", "team")[name]


@pytest.mark.parametrize("kind", ["lost", "truncated"])
def test_nar_in_the_place_of_a_lost_one_is_published(place: nars.Place, folder: Path, kind: str) -> None:
    """Its address then leads to the new file."""
    made = nars.make(1)
    place.push(made)
    file = storage.locate(NarFile.objects.get().place)
    if kind == "lost":
        file.unlink()
    else:
        file.write_bytes(made.file[:-1])

    assert place.put(made.info.url, made.file).status_code == 201

    assert find(folder / "public", "team")[made.info.url] == made.file
    assert (folder / "public/team" / made.info.url).samefile(storage.locate(NarFile.objects.get().place))


def test_collected_narinfo_goes_at_once_and_its_nar_later(place: nars.Place, folder: Path) -> None:
    """As the service answers itself."""
    made = nars.make(1)
    place.push(made)
    old = timezone.now() - timedelta(days=40)
    StorePath.objects.update(pushed_at=old)
    collection.collect(place.cache)
    assert len(find(folder / "public", "team")) == 2
    StorePath.objects.update(tombstoned_at=old)

    assert len(collection.collect(place.cache, dry_run=True).deleted) == 1
    assert len(find(folder / "public", "team")) == 2
    assert len(collection.collect(place.cache).deleted) == 1
    assert list(find(folder / "public", "team")) == [made.info.url]
    NarFile.objects.update(leased_until=old)
    collection.collect(place.cache)
    assert find(folder / "public", "team") == {}


def complete(place: nars.Place) -> tuple[int, int]:
    """Return of how many paths files were written, and how many files were removed."""
    found = fsck.check(place.cache)
    return found.written, found.removed


def test_full_disk_hinders_no_publication(
    place: nars.Place, folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The service sends what the web server cannot, until it is completed."""

    def fail(data: bytes) -> Path:
        raise OSError(28, "No space left on device")

    made = nars.make(1)
    with monkeypatch.context() as patched:
        patched.setattr(storage, "write_draft", fail)
        assert place.push(made).status_code == 201

    assert "published files of team are not written" in caplog.text
    assert place.get(f"{made.info.hash_part}.narinfo", stranger=True).status_code == 200
    assert complete(place) == (1, 0)
    assert len(find(folder / "public", "team")) == 2


def test_what_is_not_published_is_removed(place: nars.Place, folder: Path) -> None:
    """As after a database was restored that is older than the files."""
    for number in (1, 2):
        place.push(nars.make(number))
    StorePath.objects.filter(base_name=nars.name_of(2)).delete()
    NarFile.objects.filter(paths=None).delete()

    assert complete(place) == (0, 2)
    assert len(find(folder / "public", "team")) == 2
    assert complete(place) == (0, 0)


@pytest.fixture
def staff() -> Client:
    """Return the browser of somebody who may do everything."""
    client = Client()
    client.force_login(get_user_model().objects.create_superuser("root"))
    return client


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_public", [True, False])
def test_cache_becomes_private_or_public(staff: Client, folder: Path, *, is_public: bool) -> None:
    """Its files move with it; its name stays."""
    place = nars.open_place("moved", public=not is_public)
    place.push(nars.make(1))
    before, after = (published.FOLDERS[one] for one in (not is_public, is_public))
    wanted = find(folder / before, "moved")
    form = {"name": "other", "priority": 41, "keep_days": 30, **({"is_public": "on"} if is_public else {})}

    answer = staff.post(f"/admin/caches/cache/{place.cache.pk}/change/", form, secure=True)

    assert (answer.status_code, Cache.objects.get().name) == (302, "moved")
    assert (find(folder / before, "moved"), find(folder / after, "moved")) == ({}, wanted)
    assert not (folder / before / "moved").exists()


def test_who_is_let_in(place: nars.Place, private: nars.Place) -> None:
    """The web server is told who may read, and leaves pushers to the service; it remembers that for a second."""

    def status(name: str, secret: str) -> int:
        before = int(time.time())
        answer = Client().get(f"/api/rights/{name}", headers={"Authorization": f"Bearer {secret}"})
        assert before <= int(answer.headers["X-Accel-Expires"].removeprefix("@")) <= time.time()
        return answer.status_code

    _, reader = Token.create(private.cache, "reader", [Scope.READ])
    assert [status("secret", one) for one in (reader, private.secret, "nothing", place.secret)] == [204, 403, 401, 403]
    assert [status("team", one) for one in (reader, place.secret, "nothing")] == [204, 403, 204]
    assert status("nowhere", reader) == 403
    Token.objects.filter(name="reader").update(revoked_at=timezone.now())
    assert status("secret", reader) == 401
