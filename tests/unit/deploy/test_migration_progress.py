from __future__ import annotations

from estiba.deploy.migration_progress import MigrationProgress

LOG = "Operations to perform:\n  Apply all migrations: shop\nRunning migrations:\n  Applying shop.0001_initial..."


def test_each_migration_is_named_as_it_begins() -> None:
    """It is named again while it goes on, since a line may not be shown; what a migration prints is none."""
    told: list[str] = []
    progress = MigrationProgress(on_status=told.append)
    for text in ("", LOG, LOG, f"{LOG}copied 3 rows\n OK\n  Applying shop.0002_big...", f"{LOG} OK\n"):
        progress.read(text)

    assert told == ["applying shop.0001_initial", "applying shop.0001_initial", "applying shop.0002_big"]


def test_many_migrations_are_one_line() -> None:
    """The last one is what is waited for."""
    told: list[str] = []
    names = [f"shop.{number:04}" for number in range(20)]
    for count in (3, 20):
        MigrationProgress(on_status=told.append).read("".join(f"  Applying {name}... OK\n" for name in names[:count]))

    assert told == ["applying shop.0000, shop.0001, shop.0002", "applying 19 migrations, shop.0019"]
