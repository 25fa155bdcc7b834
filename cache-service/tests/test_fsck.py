"""What `manage.py fsck` finds and mends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.core.management import CommandError, call_command

from caches import storage
from caches.models import NarFile
from tests import nars

if TYPE_CHECKING:
    from pathlib import Path

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
