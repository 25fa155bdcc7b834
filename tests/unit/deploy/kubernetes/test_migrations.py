from __future__ import annotations

import pytest

from estiba.deploy.kubernetes import migrations
from estiba.errors import StrandedError
from estiba.release_manifest import Migrations

OLD = Migrations(heads={"shop": ("0001_initial",)}, names=("shop.0001_initial",), contracts={}, irreversible={})
NEW = Migrations(
    heads={"shop": ("0003_drop",), "tags": ("0001_initial",)},
    names=("shop.0001_initial", "shop.0002_add", "shop.0003_drop", "tags.0001_initial"),
    contracts={"shop.0003_drop": ("drops shop.item.cost",)},
    irreversible={},
)


def test_what_only_adds_stays() -> None:
    """The old code lives with new columns and tables, so that nothing has to be taken back."""
    assert migrations.find_way_back(("shop.0002_add", "tags.0001_initial"), NEW, OLD) == ()


def test_what_removes_is_taken_back_to_the_old_head() -> None:
    """The app with a contracting migration returns to where the old release has it."""
    assert migrations.find_way_back(("shop.0002_add", "shop.0003_drop"), NEW, OLD) == (("shop", "0001_initial"),)


def test_app_that_the_old_release_has_not_returns_to_zero() -> None:
    """Its migrations are all taken back."""
    known = Migrations(heads={}, names=(), contracts={}, irreversible={})

    assert migrations.find_way_back(("shop.0003_drop",), NEW, known) == (("shop", "zero"),)


def test_what_cannot_be_taken_back_is_for_a_human() -> None:
    """The error names it, what is served, and the backup."""
    stuck = Migrations(
        heads=NEW.heads, names=NEW.names, contracts=NEW.contracts, irreversible={"shop.0003_drop": ("Raw SQL",)}
    )

    with pytest.raises(StrandedError) as caught:
        migrations.find_way_back(("shop.0003_drop",), stuck, OLD, served="revision 4 stays as it is")

    assert caught.value.message == (
        "these migrations removed what the release before needs, and cannot be taken back:\n"
        "  shop.0003_drop: Raw SQL\n"
        "  revision 4 stays as it is"
    )
    assert "backup" in caught.value.hint
