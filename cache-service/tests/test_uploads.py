"""NARs that come in parts."""

from __future__ import annotations

import hashlib
import io
import threading
from typing import TYPE_CHECKING

import pytest
from django.db import connection

from caches import storage
from caches.models import NarFile, Scope, Token
from caches.views import archive, uploads
from tests import nars

if TYPE_CHECKING:
    from pathlib import Path

    from django.http import HttpResponse

pytestmark = pytest.mark.django_db
MADE = nars.make(1, contents=hashlib.shake_128(b"x").digest(10_000))
ADDRESS = f"api/uploads/{MADE.info.url.removeprefix('nar/')}"


def send(place: nars.Place, offset: int, data: bytes, whole: int = len(MADE.file), **headers: str) -> HttpResponse:
    """Send a part."""
    return place.client.patch(
        f"/{place.cache.name}/{ADDRESS}",
        data=data,
        content_type="application/octet-stream",
        headers={**place.credentials, "Upload-Offset": str(offset), "Upload-Length": str(whole), **headers},
        **{"wsgi.input": io.BytesIO(data)},
    )


def received(place: nars.Place) -> tuple[int, bool]:
    """Return how much has arrived, and whether that is all."""
    said = place.get(ADDRESS).json()
    return said["received"], said["whole"]


def test_parts_become_a_file(place: nars.Place, folder: Path) -> None:
    """Where one was cut off, the next begins; what is sent twice counts once."""
    assert received(place) == (0, False)
    assert send(place, 0, MADE.file[:4000]).json() == {"received": 4000, "whole": False}
    assert received(place) == (4000, False)
    assert not NarFile.objects.exists()
    assert send(place, 3000, MADE.file[3000:6000]).json() == {"received": 6000, "whole": False}
    assert send(place, 0, MADE.file[:10]).json() == {"received": 6000, "whole": False}

    last = send(place, 6000, MADE.file[6000:])

    assert (last.status_code, last.json()) == (200, {"received": len(MADE.file), "whole": True})
    assert received(place) == (len(MADE.file), True)
    assert place.put(f"{MADE.info.hash_part}.narinfo", MADE.info.render()).status_code == 201
    assert nars.stored(folder) == [storage.locate(NarFile.objects.get().place)]
    assert nars.body(place.get(MADE.info.url)) == MADE.file


def test_part_that_is_cut_off_counts(place: nars.Place) -> None:
    """What has arrived of it is there, and the rest is asked for."""
    cut = send(place, 0, MADE.file[:1000], **{"Content-Length": "4000"})

    assert cut.json() == {"received": 1000, "whole": False}
    assert send(place, 1000, MADE.file[1000:]).json()["whole"]


def test_other_bytes_are_refused_at_the_end(place: nars.Place, folder: Path) -> None:
    """They are not what they are called by, and the upload begins anew."""
    send(place, 0, bytes(4000))

    assert "not the one that it is called by" in nars.said(send(place, 4000, MADE.file[4000:]), 422)
    assert (received(place), nars.stored(folder)) == ((0, False), [])


def test_parts_of_two_tokens_do_not_meet(place: nars.Place) -> None:
    """Nobody spoils another one's upload."""
    _, secret = Token.create(place.cache, "other", [Scope.PUSH])
    send(nars.Place(cache=place.cache, secret=secret), 0, bytes(4000))

    assert received(place) == (0, False)
    assert send(place, 0, MADE.file).json()["whole"]


@pytest.mark.django_db(transaction=True)
def test_two_senders_of_one_file(place: nars.Place, folder: Path) -> None:
    """With one token, as two jobs have it: both come to an end, and the file is there once."""
    ends: list[bool] = []

    def push() -> None:
        try:
            mine = nars.Place(cache=place.cache, secret=place.secret)
            there, is_whole = received(mine)
            while not is_whole:
                # Another one may have sent the last byte, and the file not be looked at yet.
                start = min(there, len(MADE.file) - 1)
                said = send(mine, start, MADE.file[start : start + 500]).json()
                there, is_whole = said["received"], said["whole"]
            ends.append(is_whole)
        finally:
            connection.close()

    threads = [threading.Thread(target=push) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert ends == [True] * 3
    assert storage.locate(NarFile.objects.get().place).read_bytes() == MADE.file


def test_crash_after_the_last_byte(place: nars.Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """What has arrived is taken with the next part, whatever that has."""
    with monkeypatch.context() as patched:
        patched.setattr(archive, "take", lambda *_: None)
        send(place, 0, MADE.file)
    assert received(place) == (len(MADE.file), False)

    assert send(place, len(MADE.file) - 1, MADE.file[-1:]).json() == {"received": len(MADE.file), "whole": True}


def test_part_that_begins_too_late_is_not_taken(place: nars.Place) -> None:
    """The answer says where to begin."""
    send(place, 0, MADE.file[:1000])

    assert send(place, 1001, MADE.file[1001:]).json() == {"received": 1000, "whole": False}


@pytest.mark.parametrize(
    ("offset", "whole", "headers", "status"),
    [
        (0, 10, {}, 413),
        (0, 1 << 50, {}, 413),
        (0, len(MADE.file), {"Content-Length": str(uploads.PART + 1)}, 413),
        (0, len(MADE.file), {"Upload-Offset": "-1"}, 400),
        (0, len(MADE.file), {"Upload-Length": "many"}, 400),
    ],
)
def test_senseless_part_is_refused(
    place: nars.Place, offset: int, whole: int, headers: dict[str, str], status: int
) -> None:
    """A part says where it begins and how much there is in all, and is not too large."""
    assert send(place, offset, MADE.file[:100], whole, **headers).status_code == status


def test_parts_are_for_pushers() -> None:
    """Readers are told nothing."""
    reader = nars.open_place("reader", Scope.READ)

    assert send(reader, 0, MADE.file).status_code == 403
    assert reader.get(ADDRESS).status_code == 403
