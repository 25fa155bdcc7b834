"""The lock of a target."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import pytest
from tests.recording import RecordingRunner

from estiba.deploy.kubernetes.client.kubectl import Kubectl
from estiba.deploy.kubernetes.state import lease
from estiba.deploy.kubernetes.state.lease import Hold, Holder
from estiba.deploy.logbook import Record
from estiba.errors import BusyError, LostLockError
from estiba.process import Completed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

HOLDER: Final = "ana@ci pid 7: deploy"


def taken(**spec: object) -> dict[str, Any]:
    """Return a Lease as the cluster has it."""
    now = datetime.now(tz=UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    known = {"holderIdentity": HOLDER, "leaseDurationSeconds": 60, "renewTime": now, **spec}
    return {"metadata": {"name": "estiba-shop", "resourceVersion": "7"}, "spec": known}


def hold(*answers: str | int) -> tuple[Hold, RecordingRunner]:
    """Return a lock that was taken, and the runner of the commands that renew it."""
    runner = RecordingRunner(*answers)
    return Hold(Kubectl(runner=runner, namespace="shop"), taken()), runner


def test_lock_is_not_asked_for_before_it_could_expire() -> None:
    """The commands of a deployment cost no further ones."""
    held, asked = hold()
    done = RecordingRunner("a", "b")

    assert [held.guard(done)(["helm", name]).stdout for name in "ab"] == ["a", "b"]
    assert asked.calls == []


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        pytest.param(
            [1, json.dumps(taken(holderIdentity="bo@ci pid 7: deploy"))], "is lost to bo@ci pid 7", id="taken"
        ),
        pytest.param([1, json.dumps(taken(holderIdentity=""))], "is lost to nobody", id="freed"),
        pytest.param([1, 1], "has expired, and cannot be renewed", id="cluster away"),
    ],
)
def test_lost_lock_runs_nothing_any_more(
    monkeypatch: pytest.MonkeyPatch, answers: list[str | int], message: str
) -> None:
    """As after a sleep of the machine: neither a command, nor the one that runs, and no way back."""
    held, _ = hold(*answers, *answers)
    ended: list[str] = []

    def watched(argv: Sequence[str], *, poll: Callable[[], None]) -> Completed:
        monkeypatch.setattr(lease, "_now", lambda: 1e9)
        try:
            poll()
        except LostLockError:
            ended.append(argv[0])
            raise
        return Completed(argv=tuple(argv), code=0, stdout="", tail="")

    with pytest.raises(LostLockError, match=message):
        held.guard_watched(watched)(["helm"], poll=lambda: None)
    with pytest.raises(LostLockError, match=message):
        held.guard(RecordingRunner())(["kubectl", "replace"])
    assert ended == ["helm"]


def test_lock_that_nobody_has_taken_is_renewed_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that slept, and a cluster that was away, go on where the lock is still theirs."""
    held, asked = hold(json.dumps(taken()))
    monkeypatch.setattr(lease, "_now", lambda: 1e9)

    assert held.guard(RecordingRunner("done"))(["helm"]).stdout == "done"
    assert [argv[3] for argv in asked.calls] == ["replace"]


def test_holder_is_gone_only_where_its_number_is_known() -> None:
    """Another container has a process of the same number, or none; the number may be another process's by now."""
    mine = Holder.of(Record.begin("deploy"))
    assert mine == Holder.parse(str(mine))
    child = subprocess.Popen(["sleep", "60"])
    other = replace(mine, pid=child.pid, start=lease.find_start(child.pid))
    assert [other.is_gone(), replace(other, start="1").is_gone()] == [False, True]
    child.kill()
    child.wait()

    assert other.is_gone()
    assert not replace(other, place="elsewhere").is_gone()
    assert not replace(other, place="").is_gone()
    older = Holder.parse("ana@ci pid 7: deploy")
    assert older == Holder(user="ana", host="ci", pid=7, command="deploy")
    assert not older.is_gone()


def test_lock_is_freed_by_its_holder_alone() -> None:
    """One that has expired meanwhile may be somebody else's: the server compares the holder."""
    record = Record.begin("deploy")
    holder = str(lease.Holder.of(record))
    now = datetime.now(tz=UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    spec = {"holderIdentity": "", "leaseDurationSeconds": 60, "renewTime": now}
    found = json.dumps({"metadata": {"name": "estiba-shop", "resourceVersion": "7"}, "spec": spec})
    runner = RecordingRunner(found, found, "")

    with lease.acquire(Kubectl(runner=runner, namespace="shop"), "estiba-shop", record):
        pass

    argv = runner.calls[-1]
    patch = json.loads(argv[-1].removeprefix("--patch="))
    assert "--type=json" in argv
    assert patch[0] == {"op": "test", "path": "/spec/holderIdentity", "value": holder}


@pytest.mark.parametrize("seconds", [-86_400, 300, 86_400], ids=["slow clock", "fast clock", "long ago"])
def test_clock_alone_frees_no_lock(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Who renews a lock holds it, whatever its machine takes for the time; who does not, does not."""
    waited: list[float] = []
    monkeypatch.setattr("time.sleep", waited.append)

    def renewed(later: float = 0) -> dict[str, Any]:
        at = moment - timedelta(seconds=seconds - later)
        return taken(renewTime=at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"))

    moment = datetime.now(tz=UTC)
    dead, alive = json.dumps(renewed()), json.dumps(renewed(15))
    with pytest.raises(BusyError, match="ana@ci pid 7: deploy holds the lock"):
        lease.take(Kubectl(runner=RecordingRunner(dead, dead, alive), namespace="shop"), "estiba-shop", "bo")
    with pytest.raises(BusyError, match="still renews its lock"):
        lease.release(Kubectl(runner=RecordingRunner(dead, alive), namespace="shop"), "estiba-shop")

    waited.clear()
    runner = RecordingRunner(*[dead] * 6, alive)
    lease.take(Kubectl(runner=runner, namespace="shop"), "estiba-shop", "bo")
    assert sum(waited) > 15
    assert runner.calls[-1][3] == "replace"
    assert lease.release(Kubectl(runner=RecordingRunner(*[dead] * 6), namespace="shop"), "estiba-shop") == HOLDER


def test_lock_in_its_time_is_not_looked_at_twice() -> None:
    """Nor is one that was freed, or whose holder has ended here."""
    for known, holder in ((taken(), HOLDER), (taken(holderIdentity=""), ""), (taken(renewTime=None), "")):
        assert lease.find_holder(Kubectl(runner=RecordingRunner(), namespace="shop"), known) == holder
