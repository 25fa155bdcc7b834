from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.unit.lock.test_model import DEB, DJANGO, LOCK

from estiba.errors import LockFormatError
from estiba.lock import integrity, model
from estiba.lock.model import Layer

if TYPE_CHECKING:
    from estiba.lock.model import Lock

PINS = "".join(f"{one.name}=={one.version} \\\n    --hash=sha256:{one.sha256.hex}\n" for one in LOCK.distributions)


def problems(lock: Lock, pins: str = PINS) -> str:
    """Return what is wrong with a lock."""
    with pytest.raises(LockFormatError) as caught:
        integrity.check(model.render(lock), pins, "")
    return caught.value.message


def test_a_lock_that_holds_together_is_returned() -> None:
    """Nothing is wrong with what `invoke lock` writes."""
    assert integrity.check(model.render(LOCK), PINS, "") == model.parse(model.render(LOCK))


def test_unknown_references_are_found() -> None:
    """Dependencies and build requirements must be in the lock."""
    broken = replace(
        LOCK,
        debs=(replace(DEB, depends=("nowhere",)),),
        distributions=(replace(LOCK.distributions[1]), replace(DJANGO, requires=("nothing",), build=("x==1",))),
    )

    assert "debs[0].depends: 'nowhere' is not locked" in problems(broken)
    assert "distributions[1].requires: 'nothing' is not locked" in problems(broken)
    assert "distributions[1].build: 'x==1' is not locked" in problems(broken)


def test_layers_cover_exactly_the_runtime() -> None:
    """A distribution in no layer, in two, or unknown to the lock is found."""
    layers = (Layer(name="a", distributions=("django",)), Layer(name="b", distributions=("django", "flask")))
    found = problems(replace(LOCK, layers=layers))

    assert "layers: 'asgiref' is in no layer" in found
    assert "layers: 'flask' is not a runtime distribution" in found
    assert "layers: 'django' is in more than one" in found


@pytest.mark.parametrize("file", ["django-5.1-py3-none-any.whl", "flask-5.2-py3-none-any.whl", "django.whl"])
def test_names_of_wheels_are_those_of_their_records(file: str) -> None:
    """A version that was changed in one place is found."""
    found = problems(replace(LOCK, distributions=(LOCK.distributions[1], replace(DJANGO, file=file))))

    assert f"distributions[1].file: {file!r} is not" in found


def test_duplicates_are_found() -> None:
    """One record per file, and one version per platform."""
    found = problems(replace(LOCK, debs=(DEB, DEB, replace(DEB, version="2", file="libz1_2_amd64.deb"))))

    assert "debs: libz1_1%3a1.0-1_amd64.deb (amd64) is there twice" in found
    assert "debs: libz1 has 3 records for x86_64-linux" in found


def test_the_pins_beside_it_must_agree() -> None:
    """Versions, hashes and names of both files are compared."""
    pins = PINS.replace("django==5.2", "django==5.1").replace("2" * 64, "4" * 64)
    found = problems(LOCK, pins)

    assert "requirements-lock.txt lacks django==5.2" in found
    assert "requirements-lock.txt lacks the hash of asgiref-5.2-py3-none-any.whl" in found
    assert "estiba.lock lacks django==5.1" in found


def test_another_order_is_an_edit() -> None:
    """What a program or a hand sorted otherwise is told, since a diff would show it later."""
    text = model.render(LOCK).replace('"python": "3.13"', '"python":  "3.13"')
    with pytest.raises(LockFormatError, match="the order or the form of its lines"):
        integrity.check(text, PINS, "")


def test_platforms_are_those_of_the_records() -> None:
    """A record for a platform that the lock is not for is found."""
    other = replace(DEB, name="x", file="x.deb", platforms=("aarch64-linux",))

    assert "platforms: 'aarch64-linux' is used by a record" in problems(replace(LOCK, debs=(DEB, other)))
