"""The start and the end of a cluster, whose processes all live in namespaces of their own and end with the first."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.cluster import groups, pause, plan, programs
from tests.cluster.cluster import Cluster
from tests.cluster.groups import Group
from tests.services import debian

from estiba import files
from estiba.digest import Digest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tests.cluster.programs import Programs

LIMIT: Final = 120.0
"""Seconds until a cluster has to be ready."""
_PAUSE: Final = 0.05
_HERE: Final = Path(__file__).parent
_ENV: Final = {
    "LANG": "C.UTF-8",
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "PYTHONDONTWRITEBYTECODE": "1",  # the packages stay as they are
}
_SPACES: Final = ("--net", "--mount", "--pid", "--ipc", "--uts")
_PROBE: Final = "ip link add probe type bridge && mount -t tmpfs tmpfs /run"


def up(folder: Path) -> Cluster:
    """Start the cluster of a folder, unless it runs, and return it when it is ready.

    Args:
        folder: For all its files; removed in the end.

    Raises:
        RuntimeError: It does not start; the message has the end of its logs.
    """
    found = programs.bring()
    cluster = Cluster(folder=folder)
    with _exclusive(folder):
        # One that runs may be about to end.
        if not (_is_alive(folder) and _await(cluster)):
            _sweep(folder)
            _start(folder, found)
            if not _await(cluster):
                problem = _tail(folder)
                _sweep(folder)
                raise RuntimeError(f"the cluster does not start:\n{problem}")
        if cluster.is_whole:
            cluster.run("ctr", "--namespace=k8s.io", "images", "import", "-", stdin=pause.archive(found.pause))
    return cluster


def down(folder: Path) -> None:
    """End the cluster of a folder, wait until nothing of it is left, and remove the folder; there need be none."""
    if folder.exists():
        with _exclusive(folder):
            _sweep(folder)
            shutil.rmtree(folder)


def is_up(folder: Path) -> bool:
    """Tell whether a folder's cluster runs, ready or not."""
    return folder.exists() and _is_alive(folder)


@contextmanager
def _exclusive(folder: Path) -> Iterator[None]:
    """Lock a folder, which is made if there is none; who removes it has locked it too."""
    while True:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(number, fcntl.LOCK_EX)
            if folder.exists() and os.path.samestat(os.fstat(number), folder.stat()):
                yield
                return
        finally:
            os.close(number)


def _is_alive(folder: Path) -> bool:
    """Tell whether a process has the lock that the first of a cluster's processes is given."""
    try:
        with files.lock(folder / "alive"):
            return False
    except BlockingIOError:
        return True


def _sweep(folder: Path) -> None:
    """End what runs, and remove groups and files, also of a start that was killed."""
    record = folder / "cluster.json"
    while _is_alive(folder):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError, ValueError):
            # The namespaces' first process dies with this one, and all others with that.
            os.kill(int((folder / "pid").read_text()), signal.SIGKILL)
        time.sleep(_PAUSE)
    if record.exists():
        known = json.loads(record.read_text())
        groups.remove([Group(controllers=one["controllers"], path=Path(one["path"])) for one in known["groups"]])
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def _start(folder: Path, found: Programs) -> None:
    """Start the first process, which goes on by itself."""
    wanted, obstacle = _obstacle(folder, found)
    with socket.create_server(("127.0.0.1", 0)) as api, socket.create_server(("127.0.0.1", 0)) as registry:
        ports = [one.getsockname()[1] for one in (api, registry)]
        record = {
            "groups": [{**asdict(group), "path": str(group.path)} for group in wanted],
            "obstacle": obstacle,
            "api_port": ports[0],
            "registry_port": ports[1],
        }
        files.write(folder / "cluster.json", json.dumps(record))
        _write_files(folder, ports[1])
        routes = {api.fileno(): f"127.0.0.1:{plan.PORT}", registry.fileno(): f"127.0.0.1:{ports[1]}"}
        steps = {
            "binary": str(found.kubernetes),
            "hierarchies": [group.controllers for group in wanted],
            "programs": {**(plan.core() if obstacle else plan.whole()), "relay": plan.relay(routes)},
        }
        files.write(folder / "plan.json", json.dumps(steps))
        groups.make(wanted)
        _launch(folder, _words(folder, found, wanted), [*routes])


def _launch(folder: Path, words: Sequence[str], descriptors: Sequence[int]) -> None:
    """Start a process that has the lock of a living cluster, and is nobody's child."""
    with (folder / "alive").open("wb") as alive, (folder / "log" / "node.log").open("wb") as log:
        fcntl.flock(alive, fcntl.LOCK_EX)
        argv = ["setsid", "--fork", str(_HERE / "enter.sh"), str(folder), *words]
        inherited = (*descriptors, alive.fileno())
        subprocess.run(argv, env=_ENV, pass_fds=inherited, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=True)


def _words(folder: Path, found: Programs, wanted: Sequence[Group]) -> list[str]:
    """Return the groups to enter, and the command of the first process."""
    user = [] if debian.is_superuser() else ["unshare", "--user", "--map-root-user", "--"]
    spaces = ["unshare", *_SPACES, *(["--cgroup"] if wanted else []), "--fork", "--kill-child", "--mount-proc", "--"]
    first = ["python3", str(_HERE / "node.py"), str(folder)]
    return [*(str(group.path) for group in wanted), "--", *user, *debian.entering(found.tree), *spaces, *first]


def _obstacle(folder: Path, found: Programs) -> tuple[list[Group], str]:
    """Return the control groups for a kubelet, or why none can run here."""
    if not debian.is_superuser():
        return [], "the kubelet needs a superuser: run the tests as root"
    try:
        wanted = groups.plan(f"estiba-{Digest.of_bytes(bytes(folder)).hex[:12]}")
        groups.make(wanted)
        groups.remove(wanted)
    except OSError as error:
        return [], f"the kubelet needs control groups: {error}"
    argv = [*debian.entering(found.tree), "unshare", *_SPACES, "--cgroup", "--fork", "sh", "-c", _PROBE]
    done = subprocess.run(argv, env=_ENV, capture_output=True, text=True, check=False)
    return (wanted, "") if done.returncode == 0 else ([], f"the kubelet needs namespaces: {done.stderr.strip()}")


def _write_files(folder: Path, registry_port: int) -> None:
    """Write what the programs read; what has secrets is the superuser's alone."""
    shutil.copytree(_HERE / "configuration", folder / "etc")
    shutil.copy(_HERE / "relay.py", folder / "etc")
    for name in ("log", "lib"):
        (folder / name).mkdir(mode=0o755)
    token = secrets.token_urlsafe(32)
    inside = plan.kubeconfig(
        f"https://127.0.0.1:{plan.PORT}", token, **{"certificate-authority": f"{plan.SETTINGS}/tls.crt"}
    )
    documents: Mapping[str, Any] = {"kubeconfig": inside, "registry.json": plan.registry(registry_port)}
    for name, document in documents.items():
        files.write(folder / "etc" / name, json.dumps(document))
    files.write(folder / "etc" / "tokens.csv", f"{token},admin,admin,system:masters\n")


def _await(cluster: Cluster) -> bool:
    """Wait until a cluster is ready, and tell whether it ever was."""
    deadline = time.monotonic() + LIMIT
    while not cluster.is_ready():
        if not _is_alive(cluster.folder) or time.monotonic() > deadline:
            return False
        time.sleep(_PAUSE)
    return True


def _tail(folder: Path) -> str:
    """Return the ends of all logs."""
    logs = sorted((folder / "log").glob("*.log"), key=lambda log: log.name != "node.log")
    return "\n".join(f"{log.name}: {log.read_text(errors='replace')[-800:]}" for log in logs)
