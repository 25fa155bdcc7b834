from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from tests.recording import RecordingRunner
from tests.unit.deploy.host.state import test_revisions

from estiba import config
from estiba.deploy.host import checks, settings
from estiba.deploy.host.served import confirmation
from estiba.deploy.host.target import HostTarget
from estiba.deploy.logbook import Record
from estiba.deploy.target import Release
from estiba.errors import BusyError, ChoiceError, DeployError, TargetError
from estiba.files import lock

if TYPE_CHECKING:
    from pathlib import Path


def make(service: Path, **table: object) -> HostTarget:
    """Return the target of a service."""
    service.mkdir()
    found = settings.parse("local", table, folder=service, state=service.parent)
    return HostTarget(project=service, config=config.load(), settings=found, runner=RecordingRunner())


def test_secrets_that_nix_would_copy_are_warned_of(tmp_path: Path) -> None:
    """A file beside the sources gets into the store with them, unless git says what belongs to the service."""
    host = make(tmp_path / "shop", **{"env-file": "secret.env"})
    (said,) = checks.advise(host._processes, host.project)
    (tmp_path / "shop" / ".git").mkdir()

    assert said.startswith(f"{tmp_path}/shop/secret.env lies in a folder that Nix copies into its store")
    assert list(checks.advise(host._processes, host.project)) == []
    other = make(tmp_path / "other", **{"env-file": "../secret.env"})
    assert list(checks.advise(other._processes, other.project)) == []


def test_target_without_a_deployment_has_no_addresses(tmp_path: Path) -> None:
    """Nor does a question choose a port, or make the folder."""
    host = make(tmp_path / "shop")

    with pytest.raises(DeployError, match="nothing was deployed here yet"):
        host.addresses()

    assert not host.settings.folder.exists()


def test_release_that_does_not_come_up_again_is_in_the_logbook(tmp_path: Path) -> None:
    """As after a restart of the machine with something broken: the command did nothing new, and failed all the same."""
    host = make(tmp_path / "shop", folder="../state")
    host._folder.claim(host.project)
    current = host._revisions.add(test_revisions.make(tmp_path / "one"))

    with pytest.raises(OSError, match="bin/start"), host._locked("deploy", on_status=lambda _: None) as rollout:
        confirmation.confirm(rollout, current)

    (record,) = host._logbook.records()
    assert (record.result, record.number, record.version) == ("failed", current.number, "1.0")
    assert "bin/start" in record.reason


def test_unknown_logs_are_answered_with_the_known_ones(tmp_path: Path) -> None:
    """Another deployment would not help."""
    host = make(tmp_path / "shop")
    (host.settings.folder / "logs" / "redis").mkdir(parents=True)

    with pytest.raises(ChoiceError) as caught:
        list(host.logs(tail=1, process="rdis", follow=False))

    assert str(caught.value) == (
        "no process with logs named 'rdis'; there is redis; did you mean 'redis'?\n"
        "  hint: invoke logs --process redis, for example; without --process, the logs of all"
    )


def test_lock_of_a_command_that_runs_is_not_taken(tmp_path: Path) -> None:
    """The kernel has freed that of a killed one, whose journal tells who it was."""
    host = make(tmp_path / "shop")
    assert host.unlock() == ""
    host._folder.claim(host.project)
    assert host.unlock() == ""
    host._logbook.open(replace(Record.begin("deploy"), user="ana", pid=7, since="2026-01-02T03:04:05.000+00:00"))
    assert host.unlock() == "ana ran deploy since 2026-01-02T03:04:05.000+00:00 (process 7)"

    (host.settings.folder / "lock").write_text('{"user": "ana", "command": "deploy", "pid": 7, "since": "noon"}')
    with lock(host.settings.folder / "lock"), pytest.raises(BusyError) as caught:
        host.unlock()

    assert caught.value.message == "ana runs deploy here since noon (process 7)"


def test_release_that_a_kill_has_left_is_told(tmp_path: Path) -> None:
    """Beside the one that is served, as long as no other command has repaired it."""
    host = make(tmp_path / "shop", folder="../state")
    host._folder.claim(host.project)
    current = host._revisions.add(test_revisions.make(tmp_path / "one"))
    assert host._find_left(current) is None

    killed = replace(Record.begin("deploy"), number=current.number + 1, version="1.1", digest="sha256:1")
    host._logbook.open(killed)
    left = host._find_left(current)
    assert left == Release(number=killed.number, digest="sha256:1", version="1.1", commit="")

    for other in (replace(killed, command="rollback"), replace(killed, number=current.number)):
        host._logbook.open(other)
        assert host._find_left(current) is None


def test_stopped_target_is_repaired_by_the_next_deployment(tmp_path: Path) -> None:
    """What a killed command has left of the schema is not forgotten with its processes."""
    host = make(tmp_path / "shop")
    host._folder.claim(host.project)
    killed = replace(Record.begin("deploy"), contracts=("shop.0002_price: drops shop.item.price",))
    host._logbook.open(killed)

    assert host.down(on_status=lambda _: None).result == "down"

    assert host._logbook.interrupted() == killed
    assert [one.command for one in host.records()] == ["down"]


def test_questions_create_nothing(tmp_path: Path) -> None:
    """Before the first deployment there is no folder, and there is none after them."""
    host = make(tmp_path / "shop", env={"TIDE": "high"}, port=65000)

    assert "TIDE" in host.variables()
    assert host.records() == []
    with pytest.raises(TargetError, match="nothing is served, so there is nothing to observe"):
        host.observe(datetime.now(tz=UTC))
    with pytest.raises(DeployError, match="nothing is served"):
        host.smoke(on_status=lambda _: None)

    assert not host.settings.folder.exists()


def test_what_was_taken_back_is_not_lost(tmp_path: Path) -> None:
    """Of migrations that removed something, those count that nobody has taken back since."""
    host = make(tmp_path / "shop")
    host._folder.claim(host.project)
    closure = test_revisions.make(tmp_path / "one")
    served = replace(Record.begin("deploy"), digest=str(closure.digest))
    lost = ("shop.0002_price: drops shop.item.price", "shop.0003_cost: drops shop.item.cost")
    for record in (served, replace(Record.begin("deploy"), contracts=lost)):
        host._logbook.close(record.end("deployed"))
    assert host._find_lost(closure) == lost

    host._logbook.close(replace(Record.begin("rollback"), reversed=("shop.0003_cost",)).end("rolled back"))

    assert host._find_lost(closure) == lost[:1]
