"""Migrations on a machine: applied once, wholly or not at all, and never such that a way back is lost by accident."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.services.sites import MARK

if TYPE_CHECKING:
    from tests.services.sites import Site


MIGRATION = '''"""A migration."""

from django.db import migrations


class Migration(migrations.Migration):
    """Changes the table of entries."""

    dependencies = [("harbour", "0001_initial")]
    operations = [{operations}]
'''


@pytest.mark.parametrize(
    ("name", "second", "limit", "reason"),
    [
        pytest.param("broken", "SELECT 1 / 0", 30, "division by zero", id="fails"),
        pytest.param(
            "slow", "SELECT pg_sleep(600)", 10, "did not end within 10 seconds|statement timeout", id="endless"
        ),
    ],
)
def test_migration_that_fails_half_way_leaves_nothing(
    site: Site, name: str, second: str, *, limit: int, reason: str
) -> None:
    """The transaction is taken back, nothing was switched, and the next release migrates as if nothing had been."""
    settings = site.folder / "pyproject.toml"
    settings.write_text((before := settings.read_text()).replace("migrate-limit = 30", f"migrate-limit = {limit}"))
    file = site.folder / "harbour" / "migrations" / f"0002_{name}.py"
    first = f'migrations.RunSQL("CREATE TABLE {name} (id int)")'
    file.write_text(MIGRATION.format(operations=f'{first}, migrations.RunSQL("{second}")'))

    code, said = site.fail("deploy")
    settings.write_text(before)

    assert code == 18
    assert re.search(reason, said)
    # Each one is named as it begins, so that a slow one is known.
    assert name != "slow" or said.count("applying harbour.0002_slow\n") == 1
    assert site.status()["ready"]
    evidence = Path(re.findall(r"evidence: (.*)", said)[0])
    assert f"[ ] 0002_{name}" in (evidence / "migrations.txt").read_text()
    file.write_text(MIGRATION.format(operations=first))
    assert site.run("deploy")["migrations"] == [f"harbour.0002_{name}"]


def test_migration_before_one_that_fails_stays(site: Site) -> None:
    """Each is a transaction of its own; what was applied is named by the error and by the logbook."""
    folder = site.folder / "harbour" / "migrations"
    made = MIGRATION.format(operations='migrations.RunSQL("CREATE TABLE stays (id int)")')
    (folder / "0002_stays.py").write_text(made)
    fails = MIGRATION.format(operations='migrations.RunSQL("SELECT 1 / 0")').replace("0001_initial", "0002_stays")
    (folder / "0003_fails.py").write_text(fails)

    said = site.fail("deploy")[1]

    assert "division by zero" in said
    assert "applied migrations stay: harbour.0002_stays\n" in said
    assert site.logbook()[-1]["migrations"] == ["harbour.0002_stays"]


def test_extension_that_takes_a_superuser_is_there_for_the_migration(site: Site) -> None:
    """What the service may not create is named by the error, and there once the target's settings name it."""
    settings = site.folder / "pyproject.toml"
    before = settings.read_text()
    file = site.folder / "harbour" / "migrations" / "0002_bloom.py"
    file.write_text(MIGRATION.format(operations='migrations.RunSQL("CREATE EXTENSION IF NOT EXISTS bloom")'))

    said = site.fail("deploy")[1]
    settings.write_text(before + 'extensions = ["bloom"]\n')
    applied = site.run("deploy")["migrations"]
    settings.write_text(before + 'extensions = ["no-such"]\n')
    file.with_name("0003_more.py").write_text(
        MIGRATION.format(operations="").replace("0001_initial", "0002_bloom"),
    )
    refused = site.fail("deploy")[1]
    settings.write_text(before)

    assert 'extensions = ["bloom"]' in said
    assert applied == ["harbour.0002_bloom"]
    assert 'the extension no-such cannot be created: extension "no-such" is not available' in refused


DEMANDING = MIGRATION.replace("import migrations\n", "import migrations, models\n").format(
    operations='migrations.AddField("entry", "{name}", models.IntegerField(default=0))'
)


def test_migration_that_the_release_before_cannot_live_with_is_refused(site: Site) -> None:
    """The column would refuse what the old code writes; a column with a default of its own is no such matter."""
    file = site.folder / "harbour" / "migrations" / "0002_stars.py"
    file.write_text(DEMANDING.format(name="stars"))

    code, said = site.fail("deploy")

    assert code == 18
    assert "which is served, could not live with these migrations:\n" in said
    assert "harbour.0002_stars: demands a value for harbour.entry.stars" in said
    assert "invoke deploy --contract" in said
    assert site.logbook()[-1]["migrations"] == site.logbook()[-1]["contracts"] == []
    assert MARK in site.text()
    file.write_text(file.read_text().replace("default=0", "db_default=0"))
    assert site.run("deploy")["contracts"] == []
    assert site.run("rollback")["result"] == "rolled back"


def test_way_back_past_what_was_taken_away_is_asked_for(site: Site) -> None:
    """With the flag the migration is applied; by the same flag it is taken back, and the release before is served."""
    file = site.folder / "harbour" / "migrations" / "0002_likes.py"
    file.write_text(DEMANDING.format(name="likes"))

    lost = site.run("deploy", "--contract")["contracts"]
    refused = site.fail("rollback")[1]
    back = site.run("rollback", "--contract")
    site.write("Without a migration.")
    pending = site.fail("deploy")

    assert len(lost) == 1
    assert lost[0].startswith("harbour.0002_likes: demands")
    assert re.search(r"has lost what it needs to these migrations:\n +harbour.0002_likes: demands", refused)
    assert (back["result"], back["reversed"]) == ("rolled back", ["harbour.0002_likes"])
    assert pending[0] == 18
    assert "harbour.0002_likes: demands" in pending[1]
    file.unlink()
    assert site.run("deploy")["contracts"] == []
    assert site.run("rollback")["result"] == "rolled back"
    site.write(MARK)


def test_release_that_fails_gives_back_what_it_took_away(site: Site) -> None:
    """The schema of the release before is there again before that is served; it is the one that the page shows."""
    (site.folder / "harbour" / "migrations" / "0002_hearts.py").write_text(DEMANDING.format(name="hearts"))
    jobs = site.folder / "harbour" / "jobs.py"
    jobs.write_text(f"{jobs.read_text()}\nEntry = None\n")
    site.write("Half broken.")

    code, said = site.fail("deploy", "--contract")

    assert code == 5
    assert "manage.py try_worker failed" in said
    assert "is served again\n  migrations that were taken back: harbour.0002_hearts\n" in said
    assert MARK in site.text()
    last = site.logbook()[-1]
    assert (last["result"], last["reversed"]) == ("taken back", ["harbour.0002_hearts"])
    assert last["contracts"] == last["migrations"] == []
    assert site.status()["notes"] == []
    site.write(MARK)


@pytest.mark.parametrize(
    ("name", "moment", "text"),
    [
        pytest.param("pearls", "starting the release", MARK, id="before the switch"),
        pytest.param(
            "corals",
            "taking back the migrations that the previous release cannot live with",
            "Half broken.",
            id="in the way back",
        ),
    ],
)
def test_way_back_that_was_killed_is_finished(site: Site, name: str, moment: str, text: str) -> None:
    """What was served before is served by the next rollback, and not what was before that, with its schema."""
    before = site.status()["release"]["version"]
    (site.folder / "harbour" / "migrations" / f"0002_{name}.py").write_text(DEMANDING.format(name=name))
    jobs = site.folder / "harbour" / "jobs.py"
    jobs.write_text(f"{jobs.read_text()}\nEntry = None\n")
    site.write("Half broken.")

    site.kill("deploy", moment)
    assert text in site.text()
    back = site.run("rollback")

    assert (back["result"], back["version"], MARK in site.text()) == ("rolled back", before, True)
    assert f"harbour.0002_{name}: demands" in site.fail("deploy")[1]
    assert site.status()["notes"] == []
    site.write(MARK)


def test_release_that_never_starts_gives_back_what_it_took_away(site: Site) -> None:
    """A later migration fails: what the served release needs is back, though nothing was switched."""
    folder = site.folder / "harbour" / "migrations"
    (folder / "0002_coins.py").write_text(DEMANDING.format(name="coins"))
    fails = MIGRATION.format(operations='migrations.RunSQL("SELECT 1 / 0")').replace("0001_initial", "0002_coins")
    (folder / "0003_fails.py").write_text(fails)

    code, said = site.fail("deploy", "--contract")

    assert code == 18
    assert "division by zero" in said
    assert "nothing was switched\n  migrations that were taken back: harbour.0002_coins\n" in said
    assert site.logbook()[-1]["contracts"] == []


def test_release_stays_that_took_away_for_good(site: Site) -> None:
    """There is nothing to go back to that is known to work; what is served is told, and can be mended."""
    file = site.folder / "harbour" / "migrations" / "0002_stones.py"
    file.write_text(
        DEMANDING.format(name="stones").replace("default=0))", 'default=0)), migrations.RunSQL("SELECT 1")')
    )
    jobs = site.folder / "harbour" / "jobs.py"
    works = jobs.read_text()
    jobs.write_text(f"{works}\nEntry = None\n")
    site.write("Half broken.")

    code, said = site.fail("deploy", "--contract")

    assert code == 6
    assert "manage.py try_worker failed" in said
    assert "stays, since its migrations took away what release" in said
    assert "harbour.0002_stones: Raw SQL operation" in said
    assert "restore a backup" in said
    assert "Half broken." in site.text()
    assert site.logbook()[-1]["result"] == "not taken back"
    assert site.status()["notes"] == []
    jobs.write_text(works)
    assert site.run("deploy")["result"] == "deployed"
    site.write(MARK)
