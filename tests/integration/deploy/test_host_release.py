"""What a release asks of a machine: its plan, its checks, its smoke tests, its behaviour, and the way to a version."""

from __future__ import annotations

import contextlib
import re
import signal
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from os import kill
from typing import TYPE_CHECKING

import pytest
from tests.services.harbour import LIBRARY
from tests.services.sites import MARK

from estiba import config
from estiba.build import release
from estiba.deploy import targets
from estiba.deploy.host.target import HostTarget
from estiba.errors import ChoiceError, DeployError, TargetError
from estiba.files import lock

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.services.sites import Site

    from estiba.release_manifest import ReleaseManifest

BROKEN = """

def broken(request):
    raise ValueError("no such boat")


urlpatterns += [path("broken", broken)]
"""


@pytest.fixture
def host(site: Site, monkeypatch: pytest.MonkeyPatch) -> HostTarget:
    """Return the target of the deployed service."""
    monkeypatch.setenv("ESTIBA_FLAKE", LIBRARY)
    found = targets.load(site.folder, "local", config.load())
    assert isinstance(found, HostTarget)
    return found


def build(site: Site, host: HostTarget) -> ReleaseManifest:
    """Build the service as it is now."""
    return release.build(site.folder, host.contents, config.load())


def content(folder: Path) -> dict[str, bytes]:
    """Return the files of a state folder that say what is served."""
    files = [
        *folder.glob("*.json*"),
        *(folder / "releases").iterdir(),
        *(folder / "serve" / "releases").glob("*/*.json"),
    ]
    return {str(file): file.read_bytes() for file in files}


def set_version(site: Site, version: str) -> None:
    """Change the version of the service."""
    file = site.folder / "pyproject.toml"
    file.write_text(re.sub(r'^version = ".*"', f'version = "{version}"', file.read_text(), flags=re.MULTILINE))


def test_plan_of_what_is_served_is_empty(site: Site, host: HostTarget) -> None:
    """There is nothing to do, and nothing to say."""
    site.run("deploy")

    planned = host.plan(build(site, host))

    assert not planned.is_pending
    assert (planned.migrations, planned.diff, planned.commands) == ((), "", ())
    assert planned.before
    assert planned.state["revision"] == str(planned.before.number)


def test_plan_tells_what_a_deployment_would_change(site: Site, host: HostTarget) -> None:
    """Version, migration and the name of a variable, never its value; nothing is touched, not even the lock."""
    site.run("deploy")
    settings = site.folder / "pyproject.toml"
    before = settings.read_text()
    folder = site.folder / "harbour" / "migrations"
    (folder / "0002_sails.py").write_text(
        "from django.db import migrations, models\n\n\nclass Migration(migrations.Migration):\n"
        '    dependencies = [("harbour", "0001_initial")]\n'
        '    operations = [migrations.AddField("entry", "sails", models.IntegerField(default=0)),'
        ' migrations.RunSQL("SELECT 1")]\n'
    )
    settings.write_text(f'{before}env = {{TIDE = "verysecret"}}\n')
    set_version(site, "7.0.0")
    host = targets.load(site.folder, "local", config.load())  # type: ignore[assignment]
    known = content(site.state)

    with lock(site.state / "lock"):
        planned = host.plan(build(site, host))
    settings.write_text(before)

    assert planned.is_pending
    (one,) = planned.migrations
    assert one.name == "harbour.0002_sails"
    assert one.contracts == ("demands a value for harbour.entry.sails, which is neither null nor has a db_default",)
    assert one.irreversible == ("Raw SQL operation",)
    assert "+service harbour 7.0.0" in planned.diff
    assert "+env TIDE" in planned.diff
    assert "verysecret" not in str(planned)
    assert planned.commands[0][-1] == "migrate"
    assert content(site.state) == known


def test_pending_migrations_are_known_without_a_database(site: Site, host: HostTarget) -> None:
    """While nothing runs, the manifest of the served release says which ones are new."""
    site.run("deploy")
    site.run("down")
    (site.folder / "harbour" / "migrations" / "0002_oars.py").write_text(
        "from django.db import migrations\n\n\nclass Migration(migrations.Migration):\n"
        '    dependencies = [("harbour", "0001_initial")]\n    operations = []\n'
    )

    planned = host.plan(build(site, host))

    assert [one.name for one in planned.migrations] == ["harbour.0002_oars"]


def test_machine_that_can_take_a_release_has_no_problems(site: Site, host: HostTarget) -> None:
    """What could keep it from it is named, all at once."""
    site.run("deploy")
    manifest = build(site, host)
    assert host.check(manifest) == ()

    file = site.state / "data" / "postgresql" / "PG_VERSION"
    version = file.read_text()
    file.write_text("9\n")
    try:
        (problem,) = host.check(manifest)
    finally:
        file.write_text(version)
    assert "holds data of PostgreSQL 9" in problem


def test_names_of_variables_are_told(site: Site, host: HostTarget) -> None:
    """All that the service finds, of which nobody has to see a value."""
    site.run("deploy")
    assert {"SECRET_KEY", "DATABASE_URL", "ALLOWED_HOSTS", "DJANGO_SETTINGS_MODULE"} <= host.variables()


def test_smoke_tests_name_what_fails(site: Site, host: HostTarget) -> None:
    """They pass on what works; a page that is not there is named."""
    site.run("deploy")
    said: list[str] = []
    host.smoke(on_status=said.append)
    assert said == ["running the smoke tests"]

    settings = site.folder / "pyproject.toml"
    before = settings.read_text()
    settings.write_text(f'{before}smoke = ["/", "/nowhere"]\n')
    other = targets.load(site.folder, "local", config.load())
    settings.write_text(before)
    with pytest.raises(DeployError, match="/nowhere answers 404"):
        other.smoke(on_status=said.append)


def wait_for(condition: Callable[[], bool]) -> bool:
    """Wait for what the loggers and the supervisor have yet to write."""
    end = time.monotonic() + 20
    while not (found := condition()) and time.monotonic() < end:
        time.sleep(0.1)
    return found


def test_behaviour_is_read_from_logs_and_supervisor(site: Site, host: HostTarget) -> None:
    """Requests, failures and exceptions by what they say, and a process that was killed."""
    urls = site.folder / "config" / "urls.py"
    urls.write_text(urls.read_text() + BROKEN)
    site.run("deploy")
    begin = datetime.now(tz=UTC)
    time.sleep(1)

    for _ in range(3):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"http://127.0.0.1:{site.port}/broken", timeout=10)
        refused.value.close()
    site.text()
    (web,) = (pid for name, pid in site.pids.items() if name.startswith("web-"))
    kill(web, signal.SIGKILL)

    assert wait_for(lambda: host.observe(begin).restarts == 1)
    assert wait_for(lambda: host.observe(begin).exceptions == {"ValueError: no such boat": 3})
    found = host.observe(begin)
    assert found.failures == 3
    # The readiness check of `status` is a request, too.
    assert found.requests >= 4
    assert host.observe(begin - timedelta(days=30)).failures >= 3
    with pytest.raises(TargetError, match="is in the future"):
        host.observe(datetime.now(tz=UTC) + timedelta(hours=1))
    assert wait_for(lambda: is_served(site))


def is_served(site: Site) -> bool:
    """Tell whether there is a page; until the killed process is back, nginx answers in its place."""
    with contextlib.suppress(urllib.error.HTTPError):
        return MARK in site.text()
    return False


def test_rollback_goes_to_a_version(site: Site, host: HostTarget) -> None:
    """Any that is kept, and the answer tells both; one that is not is answered with those that are."""
    settings = site.folder / "pyproject.toml"
    before = settings.read_text()
    for version in ("3.0.0", "3.1.0", "3.2.0"):
        set_version(site, version)
        site.run("deploy")
    settings.write_text(before)

    with pytest.raises(ChoiceError) as caught:
        host.rollback(on_status=lambda _: None, to="9.9.9")
    said = site.invoke("rollback", "--to", "3.0.0").stdout

    assert {"3.0.0", "3.1.0"} <= set(caught.value.known)
    assert "3.2.0" not in caught.value.known
    assert re.search(r"release \d+ serves 3\.0\.0 again instead of 3\.2\.0", said)
    assert host.records()[-1].version == "3.0.0"
    assert site.run("rollback", "--to", "3.2.0")["version"] == "3.2.0"
    assert host.unlock() == ""
    site.write(MARK)
    site.run("deploy")
