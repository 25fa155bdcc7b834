from __future__ import annotations

import pytest

from estiba.deploy.host.migrations import plan_reversal
from estiba.release_manifest import Migrations

NAMES = ("auth.0001", "shop.0001", "mail.0001", "shop.0002", "mail.0002", "shop.0003")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        pytest.param(["shop.0003"], (("shop", "0002"),), id="last"),
        pytest.param(["shop.0002", "shop.0003"], (("shop", "0001"),), id="first-of-several"),
        pytest.param(["mail.0001"], (("mail", "zero"),), id="whole-app"),
        pytest.param(["shop.0002", "mail.0002"], (("mail", "0001"), ("shop", "0001")), id="last-app-first"),
        pytest.param([], (), id="none"),
    ],
)
def test_way_back_goes_before_the_first_one_of_each_app(
    names: list[str], expected: tuple[tuple[str, str], ...]
) -> None:
    """`migrate APP NAME` takes back what comes after a migration, or all of an app."""
    known = Migrations(heads={}, names=NAMES, contracts={}, irreversible={})

    assert plan_reversal(known, names) == expected
