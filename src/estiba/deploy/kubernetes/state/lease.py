"""The lock of a target: a Lease of its namespace (coordination.k8s.io/v1), with its owner and a time of expiry."""

from __future__ import annotations

import json
import os
import socket
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from estiba.errors import BusyError, EstibaError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from estiba.deploy.kubernetes.client.kubectl import Kubectl
    from estiba.deploy.logbook import Record

_KIND: Final = "leases.coordination.k8s.io"
_SECONDS: Final = 60
"""Time after which a Lease that nobody renews is free."""

_RENEWAL: Final = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Owner of a lock, written as `USER@HOST pid PID: COMMAND`."""

    user: str
    host: str
    pid: int
    command: str

    @classmethod
    def of(cls, record: Record) -> Holder:
        """Return the owner that this process is for a command."""
        return cls(user=record.user, host=socket.gethostname(), pid=record.pid, command=record.command)

    @classmethod
    def parse(cls, text: str) -> Holder | None:
        """Parse what `str` gives; None for anything else."""
        who, found, what = text.partition(" pid ")
        user, at, host = who.partition("@")
        pid, colon, command = what.partition(": ")
        if not (found and at and colon and pid.isdecimal()):
            return None
        return cls(user=user, host=host, pid=int(pid), command=command)

    def __str__(self) -> str:
        """Return the text that a Lease holds."""
        return f"{self.user}@{self.host} pid {self.pid}: {self.command}"

    def is_gone(self) -> bool:
        """Tell whether the process ran on this machine and has ended."""
        if self.host != socket.gethostname():
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
        return False


@contextmanager
def acquire(kubectl: Kubectl, name: str, record: Record) -> Iterator[None]:
    """Hold a lock for the block.

    Args:
        kubectl: kubectl for the namespace.
        name: Name of the Lease.
        record: Record of the command that wants it.

    Raises:
        BusyError: Another command holds it; the message names its owner.
        TargetError: The cluster cannot be reached, or refuses.
    """
    lease = take(kubectl, name, str(Holder.of(record)))
    ended = threading.Event()
    renewal = threading.Thread(target=_renew, args=(kubectl, lease, ended), daemon=True)
    renewal.start()
    try:
        yield
    finally:
        ended.set()
        renewal.join()
        _free(kubectl, name, str(Holder.of(record)))


def take(kubectl: Kubectl, name: str, holder: str) -> dict[str, Any]:
    """Make somebody the holder of a Lease that is free, expired, or whose holder has ended on this machine.

    Raises:
        BusyError: Somebody else holds it.
    """
    known = kubectl.get(_KIND, name)
    if known is None:
        return kubectl.create(_lease(name, holder))
    if blocker := find_holder(known):
        msg = f"{blocker} holds the lock of namespace {kubectl.namespace}, renewed {_renewed(known):%H:%M:%S} UTC"
        raise BusyError(msg, hint="wait for it, or invoke release.unlock where it was killed")
    return kubectl.replace({**_lease(name, holder), "metadata": known["metadata"]})


def find_holder(lease: dict[str, Any]) -> str:
    """Return who holds a Lease now; empty if nobody does."""
    holder = lease["spec"].get("holderIdentity") or ""
    if not lease["spec"].get("renewTime"):
        # The API takes one that says nothing of time; who holds a lock renews it.
        return ""
    known = Holder.parse(holder)
    is_over = datetime.now(tz=UTC) - _renewed(lease) > timedelta(
        seconds=lease["spec"].get("leaseDurationSeconds") or _SECONDS
    )
    return "" if is_over or (known and known.is_gone()) else holder


def release(kubectl: Kubectl, name: str) -> str:
    """Free a Lease whose holder is gone, and return who that was; empty if it was free.

    Raises:
        BusyError: Its holder may still be there.
    """
    known = kubectl.get(_KIND, name)
    holder = known["spec"].get("holderIdentity") or "" if known else ""
    if known and find_holder(known):
        msg = f"{holder} still renews its lock of namespace {kubectl.namespace}"
        raise BusyError(msg, hint=f"end it, or wait {_SECONDS} seconds after it was killed")
    if holder:
        _free(kubectl, name, holder)
    return holder


def _lease(name: str, holder: str) -> dict[str, Any]:
    now = _text(datetime.now(tz=UTC))
    spec = {"acquireTime": now, "holderIdentity": holder, "leaseDurationSeconds": _SECONDS, "renewTime": now}
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/managed-by": "estiba"}},
        "spec": spec,
    }


def _renew(kubectl: Kubectl, lease: dict[str, Any], ended: threading.Event) -> None:
    while not ended.wait(_RENEWAL):
        holder = lease["spec"]["holderIdentity"]
        lease["spec"]["renewTime"] = _text(datetime.now(tz=UTC))
        try:
            lease = kubectl.replace(lease)
        except EstibaError:
            # A cluster that is away for some seconds is asked again; after a minute the lock is anybody's. An answer
            # that was lost has changed the object all the same, so that it is read anew.
            with suppress(EstibaError):
                known = kubectl.get(_KIND, lease["metadata"]["name"])
                if known is None or known["spec"].get("holderIdentity") != holder:
                    return
                lease = known


def _free(kubectl: Kubectl, name: str, holder: str) -> None:
    # Not deleted: an account may be allowed to change this Lease alone. Tested: where it had expired, as on a machine
    # that slept, it may be somebody else's by now.
    changes = [
        {"op": "test", "path": "/spec/holderIdentity", "value": holder},
        {"op": "replace", "path": "/spec/holderIdentity", "value": ""},
    ]
    kubectl.ask("patch", _KIND, name, "--type=json", f"--patch={json.dumps(changes)}")


def _renewed(lease: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(lease["spec"]["renewTime"])


def _text(time: datetime) -> str:
    """Return a time as a Lease has it: a `MicroTime`."""
    return time.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
