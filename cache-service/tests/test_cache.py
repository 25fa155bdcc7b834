"""What clients of a cache see: publication, reading, refusals."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import zstandard
from django.db import connection
from django.test import Client

from caches import storage
from caches.models import Audit, Document, NarFile, SigningKey, StorePath
from protocol import narinfo, nix32, signature
from protocol.signature import SecretKey
from tests import nars

if TYPE_CHECKING:
    from pathlib import Path


pytestmark = pytest.mark.django_db


def test_cache_says_what_it_is(place: nars.Place) -> None:
    """Nix asks for this first; what it sends to new caches changes nothing."""
    assert nars.body(place.get("nix-cache-info", stranger=True)) == (
        b"StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 41\nPushSessions: 1\n"
    )
    assert place.put("nix-cache-info", "StoreDir: /elsewhere\n").status_code == 200
    assert b"/nix/store" in nars.body(place.get("nix-cache-info"))


def test_pushed_path_is_read_by_everybody(place: nars.Place) -> None:
    """A path that was pushed is signed by the cache, and its NAR is what was sent."""
    made = nars.make(1)

    assert place.push(made).status_code == 201

    answer = place.get(f"{made.info.hash_part}.narinfo", stranger=True)
    found = narinfo.parse(nars.body(answer).decode())
    (key,) = place.cache.signing_keys.all()
    assert replace(found, signatures=()) == made.info
    assert signature.verify(found.fingerprint, found.signatures[0], key.public)
    assert answer.headers["Content-Type"] == "text/x-nix-narinfo"
    sent = place.get(found.url, stranger=True)
    assert (sent.headers["Content-Type"], nars.body(sent)) == ("application/x-nix-nar", made.file)
    assert [str(one) for one in Audit.objects.all()] == [f"ci: push {made.info.base_name}"]


def test_answer_that_is_known_is_not_sent_again(place: nars.Place) -> None:
    """A narinfo has a tag of its contents."""
    made = nars.make(1)
    place.push(made)
    address = f"{made.info.hash_part}.narinfo"
    tag = place.get(address, stranger=True).headers["ETag"]

    assert place.get(address, stranger=True, **{"If-None-Match": tag}).status_code == 304
    assert place.get(address, stranger=True, **{"If-None-Match": '"other"'}).status_code == 200


def test_head_tells_the_truth(place: nars.Place) -> None:
    """Nix sends no NAR that it is told to be there: one that is lost or truncated is not."""
    made = nars.make(1)

    def asked() -> int:
        return place.client.head(f"/team/{made.info.url}", headers=place.credentials).status_code

    assert asked() == 404
    place.put(made.info.url, made.file)
    assert asked() == 200
    storage.locate(NarFile.objects.get().place).write_bytes(made.file[:-1])
    assert asked() == 404


def test_lost_file_is_sent_again(place: nars.Place) -> None:
    """A path whose NAR was lost is whole after the next push."""
    made = nars.make(1)
    place.push(made)
    storage.locate(NarFile.objects.get().place).unlink()
    assert place.get(made.info.url, stranger=True).status_code == 404

    place.push(made)

    assert nars.body(place.get(made.info.url, stranger=True)) == made.file


def test_nar_without_path_is_for_pushers_alone(place: nars.Place) -> None:
    """What no narinfo names is not published."""
    made = nars.make(1)
    place.put(made.info.url, made.file)

    assert place.get(made.info.url, stranger=True).status_code == 404
    assert nars.body(place.get(made.info.url)) == made.file


def test_narinfo_comes_last(place: nars.Place) -> None:
    """A narinfo whose NAR is not there is refused."""
    made = nars.make(1)

    assert "before the narinfo" in nars.said(place.put(f"{made.info.hash_part}.narinfo", made.info.render()), 422)


def test_references_come_first(place: nars.Place) -> None:
    """A path is published after what it refers to, so that its closure is always there; its own name is no matter."""
    own = nars.name_of(2)
    base, user = nars.make(1), nars.make(2, nars.name_of(1), own)

    assert f"not in the cache: {base.info.base_name}" in nars.said(place.push(user), 422)
    assert not StorePath.objects.exists()
    assert place.push(base).status_code == 201
    assert place.push(user).status_code == 201
    assert [str(one) for one in StorePath.objects.get(hash_part=own[:32]).references.all()] == [base.info.base_name]


def test_reference_of_another_name_is_missing(place: nars.Place) -> None:
    """Two names with one hash are two paths."""
    place.push(nars.make(1))

    assert "not in the cache" in nars.said(place.push(nars.make(2, nars.name_of(1, "other"))), 422)


OTHER = nars.make(9)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"nar_hash": OTHER.info.nar_hash}, "the NAR has the hash sha256:"),
        ({"nar_size": 100}, "more than 100 bytes"),
        ({"nar_size": 1000}, "and the narinfo says"),
        ({"file_size": 7}, "FileSize is 7, and that of nar/"),
        ({"file_hash": OTHER.info.file_hash}, "FileHash is "),
        ({"compression": "xz"}, "Compression is 'xz', and URL is 'nar/"),
        ({"compression": "br"}, "Compression is 'br'"),
        ({"url": "nar/../../etc/passwd"}, "URL is 'nar/../../etc/passwd'"),
        ({"url": "https://elsewhere.example/x.nar.zst"}, "URL is 'https:"),
        ({"references": (nars.name_of(77),)}, "do not occur in the NAR"),
    ],
)
def test_false_narinfo_is_refused(place: nars.Place, changes: dict[str, object], problem: str) -> None:
    """What a narinfo says of its NAR is compared with the NAR, and nothing is visible before."""
    made = nars.make(1)

    assert problem in nars.said(place.push(made, **changes), 422)
    assert place.get(f"{made.info.hash_part}.narinfo").status_code == 404


def test_narinfo_of_another_path_is_refused(place: nars.Place) -> None:
    """A narinfo is called by the hash of its path."""
    made = nars.make(1)
    place.put(made.info.url, made.file)

    assert "is that of" in nars.said(place.put(f"{OTHER.info.hash_part}.narinfo", made.info.render()), 422)


def test_file_without_a_nar_is_refused(place: nars.Place) -> None:
    """A file may have any bytes, but a path has a NAR."""
    file = zstandard.compress(b"no NAR")
    digest = hashlib.sha256(file).digest()
    url = f"nar/{nix32.encode(digest)}.nar.zst"
    made = nars.make(1)

    answer = place.push(nars.Made(info=replace(made.info, url=url, file_hash=digest, file_size=len(file)), file=file))

    assert "the NAR ends too early" in nars.said(answer, 422)


def test_damage_on_disk_is_found(place: nars.Place) -> None:
    """What is verified is what is on disk, not what was received."""
    made = nars.make(1)
    place.put(made.info.url, made.file)
    file = storage.locate(NarFile.objects.get().place)
    file.write_bytes(made.file[:-4] + bytes(byte ^ 255 for byte in made.file[-4:]))

    answer = place.put(f"{made.info.hash_part}.narinfo", made.info.render())

    assert answer.status_code == 422


@pytest.mark.parametrize(
    ("address", "size", "status"),
    [
        (f"nar/{'0' * 52}.nar.zst", None, 422),
        (f"nar/{'0' * 52}.nar.br", None, 422),
        (OTHER.info.url, "10000", 400),
        (OTHER.info.url, "999999999999999", 413),
        (OTHER.info.url, "many", 411),
        ("nar/../../x.nar.zst", None, 404),
        ("nar/%2e%2e%2fx.nar.zst", None, 404),
        ("index.html", None, 404),
        (f"{'0' * 32}.narinfo.html", None, 404),
    ],
)
def test_upload_goes_nowhere_else(place: nars.Place, folder: Path, address: str, size: str | None, status: int) -> None:
    """A file is taken only by its own hash, whole, and below the folder of NARs; nothing is left of others."""
    length = {"Content-Length": size} if size else {}

    assert place.put(address, OTHER.file, **length).status_code == status
    assert [path for path in folder.rglob("*") if path.is_file()] == []
    assert not NarFile.objects.exists()


def test_compressed_narinfo_is_refused(place: nars.Place) -> None:
    """Newer versions of Nix can compress a narinfo on its way, which would be stored as it is."""
    answer = place.put(f"{'0' * 32}.narinfo", b"x", **{"Content-Encoding": "br"})

    assert "without Content-Encoding" in nars.said(answer, 415)


def test_published_nar_never_changes(place: nars.Place) -> None:
    """Another NAR for the same path is refused, as machines may have the first one; so are other references."""
    first = nars.make(1)
    place.push(first)
    other = nars.make(1, contents=b"not the same")

    assert "never changes" in nars.said(place.push(other), 409)
    assert nars.body(place.get(first.info.url)) == first.file
    assert place.push(first).status_code == 201
    assert Audit.objects.count() == 1


def test_signatures_of_others_are_kept(place: nars.Place) -> None:
    """A pusher's signature stays beside the cache's, also one that comes later; a false one of ours does not."""
    made = nars.make(1)
    early, late = SecretKey.generate("builder-1"), SecretKey.generate("builder-2")
    place.push(made, signatures=(early.sign(made.info.fingerprint),))

    place.push(made, signatures=(late.sign(made.info.fingerprint),))

    found = narinfo.parse(nars.body(place.get(f"{made.info.hash_part}.narinfo")).decode())
    assert [one.partition(":")[0] for one in found.signatures] == ["team-1", "builder-1", "builder-2"]
    forged = SecretKey.generate("team-1").sign(made.info.fingerprint)
    assert "the signature by team-1 is false" in nars.said(place.push(made, signatures=(forged,)), 422)


def test_new_key_signs_with_the_old_one(place: nars.Place) -> None:
    """While clients learn a new key, both sign; a retired one does not."""
    SigningKey.generate(place.cache)
    one, two = nars.make(1), nars.make(2)

    def signers(made: nars.Made) -> list[str]:
        place.push(made)
        found = narinfo.parse(nars.body(place.get(f"{made.info.hash_part}.narinfo")).decode())
        return [text.partition(":")[0] for text in found.signatures]

    assert signers(one) == ["team-2", "team-1"]
    place.cache.signing_keys.filter(name="team-1").update(is_retired=True)
    assert signers(two) == ["team-2"]


def test_database_alone_signs_nothing(place: nars.Place, settings: pytest.FixtureRequest) -> None:
    """The secret key is not in the database as it is."""
    (key,) = place.cache.signing_keys.all()

    assert key.secret.text.encode() not in bytes(key.sealed)
    settings.KEYS_SECRET = "another one " * 10
    with pytest.raises(Exception, match="another KEYS_SECRET"):
        _ = key.secret


def test_web_server_sends_the_file(place: nars.Place, settings: pytest.FixtureRequest) -> None:
    """Behind nginx no byte of a NAR passes through Python."""
    settings.NAR_ADDRESS = "/internal/"
    made = nars.make(1)
    place.push(made)

    answer = place.get(made.info.url, stranger=True)

    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["X-Accel-Redirect"] == f"/internal/{NarFile.objects.get().place}"
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"


@pytest.mark.parametrize(
    "address",
    [
        f"{'0' * 32}.ls",
        f"log/{'0' * 32}-thing.drv",
        "debuginfo/00ff.debug",
        f"realisations/sha256:{'0' * 64}!out.doi",
        f"build-trace-v2/{'0' * 32}-thing.drv/out.doi",
    ],
)
def test_small_files_are_kept(place: nars.Place, address: str) -> None:
    """What Nix sends beside the paths comes back, and is nothing that a browser runs."""
    assert place.get(address, stranger=True).status_code == 404
    for text in ('{"one":1}', "<script>"):
        assert place.put(address, text).status_code == 201
        answer = place.get(address, stranger=True)
        assert nars.body(answer).decode() == text
        assert answer.headers["Content-Type"].partition(";")[0] in {"application/json", "text/plain"}
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert Document.objects.count() == 1


def test_front_page_tells_how_to_use_it(place: nars.Place) -> None:
    """A newcomer finds the lines for nix.conf."""
    (key,) = place.cache.signing_keys.all()

    assert nars.body(Client().get("/")).decode() == (
        f"extra-substituters = http://testserver/team\nextra-trusted-public-keys = {key.public}\n"
    )


@pytest.mark.django_db(transaction=True)
def test_two_pushers_of_one_path(place: nars.Place) -> None:
    """Two that push the same at the same time both succeed, and leave one file and one path."""
    made = nars.make(1, contents=b"x" * 100_000)
    answers: list[int] = []

    def push() -> None:
        try:
            answers.append(nars.Place(cache=place.cache, secret=place.secret).push(made).status_code)
        finally:
            connection.close()

    threads = [threading.Thread(target=push) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert answers == [201] * 4
    assert (NarFile.objects.count(), StorePath.objects.count()) == (1, 1)
    assert nars.stored(storage.locate("")) == [storage.locate(NarFile.objects.get().place)]
