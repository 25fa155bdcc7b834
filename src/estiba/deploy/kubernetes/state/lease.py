"""The lock of a target: a Lease of its namespace (coordination.k8s.io/v1), with its owner and a time of expiry."""

from __future__ import annotations

import json
import os
import re
import socket
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from estiba.digest import Digest
from estiba.errors import BusyError, EstibaError, LostLockError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from estiba.deploy.kubernetes.client.kubectl import Kubectl
    from estiba.deploy.logbook import Record
    from estiba.process import Completed, Runner

_KIND: Final = "leases.coordination.k8s.io"
_SECONDS: Final = 60
"""Seconds after which a Lease that nobody renews is free."""

_RENEWAL: Final = 15.0
_CERTAIN: Final = 40.0
"""Seconds after a renewal in which nobody else can have taken the lock; a command to the cluster may take 20 more."""

_LOOKS: Final = 5
_PAUSE: Final = 4.0
"""Seconds between looks at a lock; five of them see a renewal of a holder that lives."""

_SKEW: Final = 10.0
"""Seconds for which a lock may be renewed in the future: clocks differ."""

_PLACE: Final = 16
_STARTTIME: Final = 19
"""Place of `starttime` among the fields of proc_pid_stat(5) after the name of the program."""

_HOLDER: Final = re.compile(
    r"(?P<user>[^@]*)@(?P<host>.+?) pid (?P<pid>\d+): (?P<command>.*?)(?: \[(?P<place>\w*)-(?P<start>\d*)\])?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Owner of a lock, written as `USER@HOST pid PID: COMMAND [PLACE-START]`.

    Attributes:
        user: Login name.
        host: Host name.
        pid: Process ID.
        command: Command that the process runs.
        place: Where the process ID means this process, see `find_place`; empty where that is unknown.
        start: Start of the process, in clock ticks since the boot (proc_pid_stat(5), `starttime`).
    """

    user: str
    host: str
    pid: int
    command: str
    place: str = ""
    start: str = ""

    @classmethod
    def of(cls, record: Record) -> Holder:
        """Return the owner that this process is for a command."""
        host, place = socket.gethostname(), find_place()
        start = find_start(record.pid)
        return cls(user=record.user, host=host, pid=record.pid, command=record.command, place=place, start=start)

    @classmethod
    def parse(cls, text: str) -> Holder | None:
        """Parse what `str` gives; None for anything else."""
        found = _HOLDER.fullmatch(text)
        if not found:
            return None
        words = found.groupdict(default="")
        return cls(pid=int(words.pop("pid")), **words)

    def __str__(self) -> str:
        """Return the text that a Lease holds."""
        return f"{self.user}@{self.host} pid {self.pid}: {self.command} [{self.place}-{self.start}]"

    def is_gone(self) -> bool:
        """Tell whether the process ran where this one runs, and has ended."""
        # Two containers may have one host name, and each of them a process of the same number.
        if not self.place or self.place != find_place():
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
        # The number may be another process's by now; where /proc hides those of others, nobody can tell.
        return find_start(self.pid) not in {"", self.start}


def find_place() -> str:
    """Return a name for what process IDs of this process count in: boot and namespace; empty outside of Linux."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        namespace = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""
    return Digest.of_bytes(f"{boot} {namespace}".encode()).hex[:_PLACE]


def find_start(pid: int) -> str:
    """Return the start of a process, see `Holder`; empty where it cannot be read."""
    try:
        # The name of the program, in parentheses, may have spaces.
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[_STARTTIME]
    except (OSError, IndexError):
        return ""


class Hold:
    """Lock that is held: renewed in the background, and looked at before each command.

    Args:
        kubectl: kubectl for the namespace.
        lease: The Lease as it was taken.
    """

    def __init__(self, kubectl: Kubectl, lease: dict[str, Any]) -> None:
        self._kubectl = kubectl
        self._lease = lease
        self._holder: str = lease["spec"]["holderIdentity"]
        self._renewed = _now()
        self._owner = ""
        self._mutex = threading.Lock()

    def check(self) -> None:
        """Make sure that the lock is still held, also after this machine has slept.

        Raises:
            LostLockError: It is not, or nobody can tell, so that it may be somebody else's.
        """
        if not self._owner and _now() - self._renewed >= _CERTAIN:
            self.renew()
        if self._owner or _now() - self._renewed >= _SECONDS:
            where = f"the lock of namespace {self._kubectl.namespace}"
            msg = f"{where} is lost to {self._owner}" if self._owner else f"{where} has expired, and cannot be renewed"
            raise LostLockError(msg, hint="invoke status tells who goes on; then run the command again")

    def renew(self) -> None:
        """Renew it once; where that fails the next call tries again."""
        with self._mutex:
            at = _now()
            self._lease["spec"]["renewTime"] = _text(datetime.now(tz=UTC))
            try:
                self._lease = self._kubectl.replace(self._lease)
                self._renewed = at
            except EstibaError:
                # A cluster that is away for some seconds is asked again. An answer that was lost has changed the object
                # all the same, so that it is read anew.
                with suppress(EstibaError):
                    known = self._kubectl.get(_KIND, self._lease["metadata"]["name"])
                    owner = known["spec"].get("holderIdentity") if known else ""
                    if known and owner == self._holder:
                        self._lease = known
                    else:
                        self._owner = owner or "nobody"

    def guard(self, runner: Runner) -> Runner:
        """Return a runner that runs nothing any more once the lock is lost."""

        def run(argv: Sequence[str], **options: Any) -> Completed:  # noqa: ANN401 - as the runner takes them
            self.check()
            return runner(argv, **options)

        return run

    def guard_watched(self, watched: Callable[..., Completed]) -> Callable[..., Completed]:
        """Return what runs a command as `process.run_watched` does, and ends it once the lock is lost."""

        def run(argv: Sequence[str], *, poll: Callable[[], None]) -> Completed:
            def look() -> None:
                self.check()
                poll()

            self.check()
            return watched(argv, poll=look)

        return run


@contextmanager
def acquire(kubectl: Kubectl, name: str, record: Record) -> Iterator[Hold]:
    """Hold a lock for the block.

    Args:
        kubectl: kubectl for the namespace.
        name: Name of the Lease.
        record: Record of the command that wants it.

    Raises:
        BusyError: Another command holds it; the message names its owner.
        TargetError: The cluster cannot be reached, or refuses.
    """
    holder = str(Holder.of(record))
    hold = Hold(kubectl, take(kubectl, name, holder))
    ended = threading.Event()
    renewal = threading.Thread(target=_renew, args=(hold, ended), daemon=True)
    renewal.start()
    try:
        yield hold
    finally:
        ended.set()
        renewal.join()
        _free(kubectl, name, holder)


def take(kubectl: Kubectl, name: str, holder: str) -> dict[str, Any]:
    """Make somebody the holder of a Lease that is free, expired, or whose holder has ended on this machine.

    Raises:
        BusyError: Somebody else holds it.
    """
    known = kubectl.get(_KIND, name)
    if known is None:
        return kubectl.create(_lease(name, holder))
    if blocker := find_holder(kubectl, known):
        who, since = blocker.partition(" [")[0], f"{_renewed(known):%H:%M:%S} UTC"
        msg = f"{who} holds the lock of namespace {kubectl.namespace}, renewed {since}"
        raise BusyError(msg, hint="wait for it, or invoke release.unlock where it was killed")
    return kubectl.replace({**_lease(name, holder), "metadata": known["metadata"]})


def find_holder(kubectl: Kubectl, lease: dict[str, Any]) -> str:
    """Return who holds a Lease now; empty if nobody does.

    Where its time is over, or has not come yet, it is looked at for some seconds: the clock of the holder's machine may
    differ from this one's by more than that, and who holds a lock renews it.

    Raises:
        TargetError: The cluster cannot be reached.
    """
    holder = lease["spec"].get("holderIdentity") or ""
    if not holder or not lease["spec"].get("renewTime"):
        # The API takes one that says nothing of time.
        return ""
    known = Holder.parse(holder)
    if known and known.is_gone():
        return ""
    age = (datetime.now(tz=UTC) - _renewed(lease)).total_seconds()
    is_fresh = -_SKEW <= age <= (lease["spec"].get("leaseDurationSeconds") or _SECONDS)
    return holder if is_fresh or _is_renewed(kubectl, lease) else ""


def _is_renewed(kubectl: Kubectl, lease: dict[str, Any]) -> bool:
    for _ in range(_LOOKS):
        time.sleep(_PAUSE)
        known = kubectl.get(_KIND, lease["metadata"]["name"])
        if known is None or known["spec"].get("renewTime") != lease["spec"]["renewTime"]:
            return bool(known and known["spec"].get("holderIdentity"))
    return False


def release(kubectl: Kubectl, name: str) -> str:
    """Free a Lease whose holder is gone, and return who that was; empty if it was free.

    Raises:
        BusyError: Its holder may still be there.
    """
    known = kubectl.get(_KIND, name)
    holder = known["spec"].get("holderIdentity") or "" if known else ""
    if known and find_holder(kubectl, known):
        msg = f"{holder.partition(' [')[0]} still renews its lock of namespace {kubectl.namespace}"
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


def _renew(hold: Hold, ended: threading.Event) -> None:
    while not ended.wait(_RENEWAL):
        hold.renew()


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


def _now() -> float:
    """Return seconds of a clock that goes on while the machine sleeps, as that of the cluster does."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
