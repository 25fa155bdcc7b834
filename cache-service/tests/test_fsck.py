"""What `manage.py fsck` and operators without access to the machine find and mend."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import CommandError, call_command

from caches import fsck, storage
from caches.models import Audit, NarFile, Scope
from tests import nars

if TYPE_CHECKING:
    from pathlib import Path

    from django.http import HttpResponse

pytestmark = pytest.mark.django_db


def run(capsys: pytest.CaptureFixture[str], **options: object) -> list[str]:
    """Return what the command prints."""
    capsys.readouterr()
    call_command("fsck", **options)
    return capsys.readouterr().out.splitlines()


def test_what_is_missing_is_written(place: nars.Place, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Published files come back, and nothing else is said of a cache that is whole."""
    made = nars.make(1)
    place.push(made)
    narinfo, nar = (folder / "public/team" / name for name in (f"{made.info.hash_part}.narinfo", made.info.url))
    text = narinfo.read_bytes()
    narinfo.write_bytes(b"")
    nar.unlink()

    assert run(capsys) == ["team: 1 paths, 0 damaged, 1 published again, 0 files of no path removed"]
    assert (narinfo.read_bytes(), nar.read_bytes()) == (text, made.file)
    assert run(capsys, cache="team") == ["team: 1 paths, 0 damaged, 0 published again, 0 files of no path removed"]
    with pytest.raises(CommandError, match="no cache named 'other'"):
        run(capsys, cache="other")


@pytest.mark.parametrize("kind", ["lost", "truncated", "changed"])
def test_damaged_nar_is_named_and_pushed_again(
    place: nars.Place, folder: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    """A changed bit is found by reading; what is damaged is missing for those who push from then on."""
    made = nars.make(1)
    place.push(made)
    file = storage.locate(NarFile.objects.get().place)
    match kind:
        case "lost":
            file.unlink()
        case "truncated":
            file.write_bytes(made.file[:-1])
        case _:
            file.write_bytes(made.file[:-1] + bytes([made.file[-1] ^ 1]))

    with pytest.raises(CommandError, match="push these paths again"):
        run(capsys, read=True)

    assert f"  {made.info.base_name}: its NAR " in capsys.readouterr().out
    assert place.client.head(f"/team/{made.info.url}", headers=place.credentials).status_code == 404
    place.push(made)
    assert run(capsys, read=True)[0].startswith("team: 1 paths, 0 damaged, ")
    assert (folder / "public/team" / made.info.url).read_bytes() == made.file


@pytest.fixture
def owner() -> nars.Place:
    """Return a public cache with two paths, and a token of its owner."""
    place = nars.open_place("owned", Scope.ADMIN, public=True)
    for number in (1, 2):
        assert place.push(nars.make(number)).status_code == 201
    return place


def ask(place: nars.Place, **body: object) -> HttpResponse:
    """Ask for a step of a check."""
    address = f"/{place.cache.name}/api/checks"
    return place.client.generic(
        "POST", address, json.dumps(body), content_type="application/json", headers=place.credentials
    )


def test_check_finds_what_a_repair_mends(owner: nars.Place, folder: Path) -> None:
    """A check changes nothing, a repair does what it says; it is in the audit."""
    made = nars.make(1)
    published, stray = folder / "public/owned" / f"{made.info.hash_part}.narinfo", folder / "public/owned/nar/other"
    published.write_bytes(b"")
    stray.write_bytes(b"")
    file = storage.locate(NarFile.objects.get(paths__base_name=nars.name_of(2)).place)
    file.write_bytes(bytes(file.stat().st_size))

    def check(**body: object) -> Any:
        answer = ask(owner, read=True, **body).json()
        return [one["path"] for one in answer["damaged"]], answer["written"], answer["removed"], answer["last"]

    expected = [nars.name_of(2)], 1, 1, 0
    assert check() == expected
    assert (published.read_bytes(), stray.exists(), file.exists()) == (b"", True, True)
    assert not Audit.objects.filter(action="repair").exists()
    assert check(repair=True) == expected
    assert (published.read_text(), stray.exists(), file.exists()) == (
        owner.cache.paths.get(base_name=nars.name_of(1)).narinfo,
        False,
        False,
    )
    assert Audit.objects.get(action="repair").subject == "1 damaged, 1 published again, 1 files removed"
    assert owner.push(nars.make(2)).status_code == 201
    assert check() == ([], 0, 0, 0)


def test_check_goes_on_where_a_step_ended(owner: nars.Place, folder: Path) -> None:
    """A step reads at least one NAR; the last one looks for files of nothing."""
    (folder / "public/owned/nar/other").write_bytes(b"")
    first, second = NarFile.objects.order_by("pk")
    storage.locate(second.place).unlink()

    step = fsck.check_some(owner.cache, thorough=True, repair=False, limit=1)

    assert step == fsck.Step(damaged=(), written=0, removed=0, last=first.pk)
    rest = ask(owner, after=step.last).json()
    assert rest["damaged"] == [{"path": nars.name_of(2), "reason": "its NAR is lost"}]
    assert (rest["removed"], rest["last"]) == (1, 0)


@pytest.mark.parametrize("body", [{"read": 1}, {"repair": "yes"}, {"after": -1}, {"after": "1"}, {"after": 1 << 63}])
def test_senseless_check_is_refused(owner: nars.Place, body: dict[str, object]) -> None:
    """Nothing is checked, or mended."""
    assert ask(owner, **body).status_code == 400
