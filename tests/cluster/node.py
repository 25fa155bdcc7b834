"""The first process of a cluster's namespaces: it mounts, makes the network, and runs the programs until one ends.

Runs with the standard library alone, by the Python of the Debian packages that are mounted on `/usr`.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

SETTINGS = Path("/etc/kubernetes")
_NOBODY = 65534
_GROUPS = Path("/sys/fs/cgroup")
_NAMES = (
    "IP:127.0.0.1,IP:10.99.0.1,IP:10.96.0.1,DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,"
    "DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local"
)
_CURVE = ("-pkeyopt", "ec_paramgen_curve:prime256v1")


def _do(line: str, *more: str) -> None:
    """Run a command that must succeed."""
    subprocess.run([*shlex.split(line), *more], check=True, stdin=subprocess.DEVNULL)


def mount(folder: Path) -> None:
    """Put the cluster's own folders in the place of this machine's, so that all programs find them where they look.

    Args:
        folder: The cluster's.
    """
    for name, place in (("etc", SETTINGS), ("log", Path("/var/log")), ("lib", Path("/var/lib"))):
        place.mkdir(exist_ok=True)
        _do("mount --bind", str(folder / name), str(place))
    _do("mount -t tmpfs tmpfs /run")
    _do("mount --make-rshared /")


def mount_groups(hierarchies: list[str]) -> None:
    """Mount the hierarchies of control groups, whose roots are this cluster's groups.

    Args:
        hierarchies: The controllers of each, as in /proc/self/cgroup; an empty one is the second version's.
    """
    if hierarchies == [""]:
        _do("mount -t cgroup2 cgroup2", str(_GROUPS))
        # Only a group without processes hands its controllers on.
        programs = _GROUPS / "programs"
        programs.mkdir()
        (programs / "cgroup.procs").write_text("0")
        available = (_GROUPS / "cgroup.controllers").read_text().split()
        (_GROUPS / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in available))
        return
    _do("mount -t tmpfs tmpfs", str(_GROUPS))
    for controllers in hierarchies:
        place = _GROUPS / (controllers.removeprefix("name=") or "unified")
        place.mkdir()
        if not controllers:
            _do("mount -t cgroup2 cgroup2", str(place))
        else:
            options = f"none,{controllers}" if controllers.startswith("name=") else controllers
            _do("mount -t cgroup cgroup", str(place), "-o", options)


def connect(*, is_whole: bool) -> None:
    """Make the network: the loopback interface, and a bridge for the node's address, as few kernels have dummies."""
    _do("ip link set lo up")
    if is_whole:
        _do("ip link add node0 type bridge")
        _do("ip address add 10.99.0.1/24 dev node0")
        _do("ip link set node0 up")
        _do("ip route add default dev node0")
        Path("/proc/sys/net/ipv4/ip_forward").write_text("1")


def certify() -> None:
    """Make the API server's certificate, which is its own authority, and the key that signs tokens of accounts."""
    os.umask(0o077)
    key, certificate = str(SETTINGS / "tls.key"), SETTINGS / "tls.crt"
    made = SETTINGS / "tls.part"
    options = ["-subj", "/CN=kubernetes", "-addext", f"subjectAltName={_NAMES}", "-keyout", key, "-out", str(made)]
    _do("openssl req -x509 -newkey ec -nodes -days 3650", *_CURVE, *options)
    _do("openssl ecparam -name prime256v1 -genkey -noout -out", str(SETTINGS / "accounts.key"))
    # Last, and at once: who waits for the certificate finds a whole one.
    made.rename(certificate)
    os.umask(0o022)


def start(name: str, program: dict[str, Any]) -> subprocess.Popen[bytes]:
    """Start a program, with its output in a log."""
    home = Path("/")
    user = _NOBODY if program.get("nobody") else None
    if user:
        home = Path("/var/lib", name)
        home.mkdir()
        os.chown(home, user, user)
    with Path("/var/log", f"{name}.log").open("wb") as log:
        return subprocess.Popen(
            program["argv"],
            executable=program.get("executable"),
            pass_fds=program.get("descriptors", ()),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=home,
            user=user,
            group=user,
            extra_groups=[] if user else None,
        )


def main(folder: Path) -> int:
    """Run the plan of a folder until one of its programs ends; return the exit code."""
    plan = json.loads((folder / "plan.json").read_text())
    # Before the folders are covered in which it may lie.
    binary = Path("/etc/kubernetes.program")
    binary.touch()
    _do("mount --bind", plan["binary"], str(binary))
    if plan["hierarchies"]:
        mount_groups(plan["hierarchies"])
    mount(folder)
    connect(is_whole=bool(plan["hierarchies"]))
    certify()
    children = {start(name, program).pid: name for name, program in plan["programs"].items()}
    while True:
        pid, status = os.wait()
        if pid in children:
            sys.stderr.write(f"{children[pid]} ended with {os.waitstatus_to_exitcode(status)}\n")
            return 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
