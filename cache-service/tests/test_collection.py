"""Collection: what is kept, what goes, and when."""

from __future__ import annotations

import os
import threading
import time
import uuid
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from caches import collection, pins, storage
from caches.access import Refusal, Visit
from caches.models import Deletion, Lease, NarFile, Pin, StorePath
from protocol import narinfo
from tests import nars

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.django_db
NOTHING = timedelta(0)


def age(place: nars.Place, **by: int) -> None:
    """Make everything in a cache older."""
    past = timezone.now() - timedelta(**by)
    place.cache.paths.update(pushed_at=past)
    place.cache.paths.exclude(tombstoned_at=None).update(tombstoned_at=past)
    place.cache.nar_files.update(leased_until=past)


def chain(place: nars.Place, *numbers: int) -> list[str]:
    """Push paths each of which refers to the one before; return their names."""
    names: list[str] = []
    for number in numbers:
        assert place.push(nars.make(number, *names[-1:])).status_code == 201
        names.append(nars.name_of(number))
    return names


def collect(place: nars.Place, *, dry_run: bool = False) -> tuple[int, int, int]:
    """Collect without grace; return how many paths were kept, marked and deleted."""
    found = collection.collect(place.cache, grace=NOTHING, dry_run=dry_run)
    return found.kept, found.marked, len(found.deleted)


def has(place: nars.Place, name: str) -> bool:
    """Tell whether strangers see a path with its NAR."""
    answer = place.get(f"{name[:32]}.narinfo", stranger=True)
    if answer.status_code == 404:
        return False
    info = narinfo.parse(answer.content.decode())
    return bool(nars.body(place.get(info.url, stranger=True)))


def test_what_was_pushed_lately_stays(place: nars.Place) -> None:
    """A path is kept for the days that its cache says, with all that it refers to, however old that is."""
    names = chain(place, 1, 2)
    StorePath.objects.filter(base_name=names[0]).update(pushed_at=timezone.now() - timedelta(days=400))

    assert collect(place) == (2, 0, 0)
    age(place, days=29)
    assert collect(place) == (2, 0, 0)
    assert all(has(place, name) for name in names)


def test_marked_path_is_served_until_the_grace_is_over(place: nars.Place) -> None:
    """What nothing needs is marked first, and goes a day later; its NAR some hours after the narinfo."""
    names = chain(place, 1, 2)
    age(place, days=31)

    found = collection.collect(place.cache)
    assert (found.kept, found.marked, found.deleted) == (0, 2, ())
    assert all(has(place, name) for name in names)

    age(place, days=31)
    found = collection.collect(place.cache)
    assert (found.deleted, found.files) == (tuple(names), 0)
    url = nars.make(1).info.url
    assert not has(place, names[0])
    assert nars.body(place.get(url, stranger=True))

    place.cache.nar_files.update(leased_until=timezone.now() - timedelta(seconds=1))
    found = collection.collect(place.cache)
    assert (found.files, found.size) == (2, sum(len(nars.make(*made).file) for made in ((1,), (2, names[0]))))
    assert place.get(url, stranger=True).status_code == 404
    assert collection.remove_strays() == 2
    assert nars.stored(storage.locate("")) == []


def test_pin_keeps_a_closure(place: nars.Place) -> None:
    """A pinned path stays with what it refers to; nothing else does."""
    kept, other = chain(place, 1, 2, 3), chain(place, 11, 12)
    pins.pin(Visit(cache=place.cache, token=None), "release", kept[1])
    age(place, days=31)

    assert collect(place) == (2, 3, 3)
    assert [has(place, name) for name in (*kept, *other)] == [True, True, False, False, False]


def test_pin_keeps_its_newest_paths(place: nars.Place) -> None:
    """Of the paths with one name the newest stay, so that a rollback finds them."""
    names = [chain(place, number)[0] for number in range(1, 8)]
    visit = Visit(cache=place.cache, token=None)
    for name in [*names, names[4]]:
        pins.pin(visit, "release", name, keep=3)
    age(place, days=31)

    assert [pin.path.base_name for pin in Pin.objects.order_by("-pk")] == [names[4], names[6], names[5]]
    assert collect(place) == (3, 4, 4)
    assert pins.unpin(visit, "release") == 3
    assert collect(place) == (0, 3, 3)
    with pytest.raises(Refusal, match="no pin is called 'release'"):
        pins.unpin(visit, "release")


@pytest.mark.parametrize(
    ("name", "keep", "problem"),
    [("", 5, "cannot be called ''"), ("a b", 5, "cannot be called 'a b'"), ("release", 0, "keep is 0")],
)
def test_unusable_pin_is_refused(place: nars.Place, name: str, keep: int, problem: str) -> None:
    """A pin has a name of certain characters, and keeps something."""
    chain(place, 1)
    with pytest.raises(Refusal, match=problem):
        pins.pin(Visit(cache=place.cache, token=None), name, nars.name_of(1), keep=keep)


def test_path_that_is_not_there_cannot_be_pinned(place: nars.Place, private: nars.Place) -> None:
    """Another cache's path is not there."""
    chain(private, 1)
    with pytest.raises(Refusal, match="does not have"):
        pins.pin(Visit(cache=place.cache, token=None), "release", nars.name_of(1))


def test_lease_keeps_what_it_names(place: nars.Place) -> None:
    """What a pusher was told to be there stays until the lease is over."""
    names = chain(place, 1, 2)
    age(place, days=31)
    end = timezone.now() + timedelta(minutes=5)
    Lease.objects.create(cache=place.cache, session=uuid.uuid4(), hash_part=names[1][:32], expires_at=end)

    assert collect(place) == (2, 0, 0)
    Lease.objects.update(expires_at=timezone.now())
    assert collect(place) == (0, 2, 2)


def test_answer_to_a_pusher_is_a_promise(place: nars.Place) -> None:
    """A marked path that a pusher has asked for stays, with what it refers to; a stranger's question keeps nothing."""
    names = chain(place, 1, 2)
    age(place, days=31)
    collection.collect(place.cache)
    age(place, days=31)

    place.get(f"{names[1][:32]}.narinfo", stranger=True)
    assert collect(place, dry_run=True)[2] == 2
    place.get(f"{names[1][:32]}.narinfo")

    assert collect(place) == (2, 0, 0)


def test_what_is_pushed_again_stays(place: nars.Place) -> None:
    """A push of a marked path, or of one that refers to it, keeps it."""
    names = chain(place, 1)
    age(place, days=31)
    collection.collect(place.cache)
    age(place, days=31)
    chain(place, 1, 2)

    assert collect(place) == (2, 0, 0)
    assert has(place, names[0])


def test_path_stays_for_one_that_is_marked_later(place: nars.Place) -> None:
    """A reference that was marked long ago does not go before the path that refers to it."""
    names = chain(place, 1, 2)
    age(place, days=31)
    collection.collect(place.cache)
    StorePath.objects.filter(base_name=names[0]).update(tombstoned_at=timezone.now() - timedelta(days=9))

    assert collection.collect(place.cache).deleted == ()
    assert all(has(place, name) for name in names)


def test_path_that_was_collected_comes_again(place: nars.Place) -> None:
    """Its new NAR has a file of its own, which the deletion of the old one does not meet."""
    made = nars.make(1)
    place.push(made)
    first = NarFile.objects.get().place
    age(place, days=31)
    assert collect(place) == (0, 1, 1)
    age(place, days=31)
    assert collect(place) == (0, 0, 0)

    place.push(made)

    assert [row.place for row in Deletion.objects.all()] == [first]
    collection.remove_strays()
    assert (NarFile.objects.get().place == first, has(place, made.info.base_name)) == (False, True)


def test_file_that_waits_for_its_narinfo_stays(place: nars.Place) -> None:
    """An upload is kept for an hour, and after a question for another one."""
    made = nars.make(1)
    place.put(made.info.url, made.file)
    assert collection.collect(place.cache).files == 0
    age(place, hours=2)
    place.client.head(f"/team/{made.info.url}", headers=place.credentials)
    assert collection.collect(place.cache).files == 0
    age(place, hours=2)
    assert collection.collect(place.cache).files == 1


def test_what_a_crash_has_left_goes(place: nars.Place, folder: Path) -> None:
    """Drafts and files without a row are removed when nobody can be writing them any more."""
    chain(place, 1)
    (known,) = nars.stored(folder)
    strays = [folder / "drafts/0123", known.with_name("other")]
    old = time.time() - 90_000
    for file in (*strays, folder / "drafts/young"):
        file.write_bytes(b"half")
    for file in (*strays, known):
        os.utime(file, (old, old))

    assert collection.remove_strays() == 2
    assert [file.exists() for file in (*strays, folder / "drafts/young", known)] == [False, False, True, True]


def test_file_that_cannot_be_deleted_hinders_no_other(place: nars.Place, folder: Path) -> None:
    """It is tried again after the others."""
    now = timezone.now()
    (folder / "nar/stuck").mkdir(parents=True)
    (folder / "nar/file").write_bytes(b"x")
    Deletion.objects.create(place="nar/stuck", not_before=now)
    Deletion.objects.create(place="nar/file", not_before=now)

    assert collection.remove_strays() == 1
    assert [row.place for row in Deletion.objects.all()] == ["nar/stuck"]


def test_reasons_are_told(place: nars.Place, capsys: pytest.CaptureFixture[str]) -> None:
    """It is said which root keeps a path, and by which way."""
    names = chain(place, 1, 2, 3)
    call_command("collect", why=names[0])
    assert capsys.readouterr().out.startswith("team: pushed, kept until ")
    age(place, days=31)
    call_command("collect", why=f"/nix/store/{names[0]}")
    assert capsys.readouterr().out == f"team: nothing keeps {names[0]}; it is not marked yet\n"
    call_command("pin", "team", "release", f"/nix/store/{names[2]}")

    call_command("collect", why=names[0])

    assert capsys.readouterr().out == f"team: pin release → {names[2]} → {names[1]} → {names[0]}\n"
    with pytest.raises(CommandError, match="no cache has nothing"):
        call_command("collect", why="nothing")


def test_trial_changes_nothing(place: nars.Place, capsys: pytest.CaptureFixture[str]) -> None:
    """`--dry-run` says what would be done."""
    names = chain(place, 1)
    age(place, days=31)
    for line in ("would be: team: 0 paths kept, 1 marked, 0 deleted, 0 NARs with 0 bytes deleted\n",) * 2:
        call_command("collect", dry_run=True)
        assert capsys.readouterr().out == line
    call_command("collect")
    capsys.readouterr()
    age(place, days=31)

    call_command("collect", cache="team", dry_run=True)

    line = "would be: team: 0 paths kept, 0 marked, 1 deleted, 0 NARs with 0 bytes deleted"
    assert capsys.readouterr().out == f"{line}\n  {names[0]}\n"
    assert has(place, names[0])
    with pytest.raises(CommandError, match="no cache named 'other'"):
        call_command("collect", cache="other")


def test_caches_are_apart(place: nars.Place, private: nars.Place) -> None:
    """The collection of one cache touches no other one."""
    chain(place, 1)
    chain(private, 1)
    age(place, days=31)
    age(private, days=31)

    assert collect(place) == (0, 1, 1)
    assert private.cache.paths.filter(tombstoned_at=None).count() == 1


@contextmanager
def beside(act: Callable[[], None]) -> Iterator[None]:
    """Do something again and again in another thread."""
    is_over = threading.Event()
    problems: list[BaseException] = []

    def repeat() -> None:
        try:
            while not is_over.is_set():
                act()
        except BaseException as error:  # noqa: BLE001 - raised below
            problems.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
    assert problems == []


@pytest.mark.django_db(transaction=True)
def test_pushes_and_collections_at_the_same_time(place: nars.Place) -> None:
    """Whatever a collection without any grace meets, what is visible is whole."""
    place.cache.keep_days = 0
    place.cache.save()
    made = [nars.make(1), nars.make(2, nars.name_of(1)), nars.make(3, nars.name_of(2))]

    def sweep() -> None:
        # Every other push is forgotten at once.
        age(place, hours=2)
        collection.collect(place.cache, grace=NOTHING)
        collection.remove_strays()

    def read() -> None:
        visible = {row.base_name: row for row in StorePath.objects.prefetch_related("references", "nar_file")}
        for row in visible.values():
            wanted = set(narinfo.parse(row.narinfo).references)
            assert wanted == {other.base_name for other in row.references.all()} or not has_row(row)

    def has_row(row: StorePath) -> bool:
        return StorePath.objects.filter(pk=row.pk).exists()

    with beside(sweep), beside(read):
        answers = [place.push(one).status_code for _ in range(15) for one in made]

    # A path whose reference was forgotten between the two pushes is refused, and never half there.
    assert set(answers) <= {201, 422}
    assert 201 in answers
