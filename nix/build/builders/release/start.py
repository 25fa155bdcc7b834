"""Start a program of a release in its root file system; run as `finish`, note how it ended.

The supervisor runs this in a service's folder, which holds `program.json`. Where root does, that folder is root's, and
the program gets a user of its own.
"""

import contextlib
import fcntl
import functools
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import certificates
import namespace
import root

PROGRAM = "program.json"
EXIT = "exit.json"
"""How the last run ended, for whoever waits for it."""

ENDS = "ends.json"
"""How the last runs ended, for whoever counts restarts: `ends`, each with `code`, `signal`, `time` and `wanted`."""

STARTED = "started.json"
"""What runs, for whoever wants to know whether `program.json` has changed since."""

HANDOVER = "handover.sock"
"""Where a program that holds sockets gives them to those that are to listen on them, in its own folder."""

EX_OSERR = 71
"""Exit code of sysexits.h for what the system refuses."""

_ENDS = 100
_LOG_PIPE = 1 << 20
"""Bytes of log that wait for the logger; more is not for unprivileged processes (pipe(7), pipe-max-size)."""

_BACKLOG = 511
"""Connections that wait to be accepted, as many as nginx asks for."""

_HANDOVER_LIMIT = 5.0
_HANDOVER_PAUSE = 0.05
_SOCKETS = 253
"""Most descriptors of one message (unix(7), SCM_MAX_FD); nginx would bind the ones that are missing, and fail."""

_UMASK = 0o077

HOLD = "hold"
"""A file that is locked while a program is not to start, by whoever wants it so for as long as that one lives."""


def main() -> None:
    """Do what the name says that this was started by, which is the first argument."""
    if Path(sys.argv[1]).name == "finish":
        end_orphans(Path())
        note_end(sys.argv[2:])
    else:
        wait_for_release(Path(HOLD))
        text = Path(PROGRAM).read_text()
        note_start(text)
        start(json.loads(text), Path())


def wait_for_release(path: Path) -> None:
    """Wait while somebody has a file locked; the kernel frees the lock of a process that is killed."""
    with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_SH)


def start(program: dict[str, Any], folder: Path) -> NoReturn:
    """Become the program, or start it and end as it does.

    Args:
        program: `argv` and `env`; with `tree` the rest of a `Root`, where relative sources count from the folder;
            with `bound`, the process that started it, it ends together with that one; `sockets` names a variable for
            the numbers of the sockets that it is to listen on, and `holder` the folder of the program that holds them;
            `guarded` are binds in which no symbolic link is followed;
            `seeds` are folders of files that a folder of data begins with, by that folder.
            With `listen`, a list of addresses and ports, it is that program, and `argv` counts for nothing.
            With `front`, it keeps the certificates of the front in that folder, for nginx with the `group`.
            `user` is the ID of the user and the group to switch to, and `umask` the mask of the files it creates.
        folder: Where the program's file is.
    """
    Path(folder, EXIT).unlink(missing_ok=True)
    # On a full disk the logger waits, and so does whoever writes to a full pipe: that is after some thousand requests.
    with contextlib.suppress(OSError):
        fcntl.fcntl(1, fcntl.F_SETPIPE_SZ, _LOG_PIPE)
    serve_others(program, folder)
    env = program["env"]
    if program.get("sockets") and (files := receive_sockets(folder / program["holder"] / HANDOVER)):
        env = {**env, program["sockets"]: "".join(f"{file};" for file in files)}
    if program.get("tree"):
        # Before the switch, since the folder is not the program's.
        Path(folder, "root").mkdir(exist_ok=True)
    os.umask(program.get("umask", _UMASK))
    if program.get("user"):
        namespace.switch(program["user"])
    for source, seeds in program.get("seeds", {}).items():
        sow(Path(seeds), folder / source)
    if program.get("bound"):
        bind_to(program["bound"])
    execute = functools.partial(_execute, program["argv"], env)
    if program.get("tree"):
        settle(program, folder, execute)
    execute()


def serve_others(program: dict[str, Any], folder: Path) -> None:
    """Hold sockets, or keep certificates, where the program is that; return where it is another one."""
    if program.get("listen"):
        hold_sockets(program["listen"], folder / HANDOVER, program.get("user"))
    if program.get("front"):
        front = (folder / program["front"]).resolve()
        certificates.keep(certificates.Front(front, program.get("group"), Path(folder, "run").resolve()))


def settle(program: dict[str, Any], folder: Path, execute: Callable[[], NoReturn]) -> None:
    """Start a program in its root file system and end as it does; return in that root where there is but this process.

    Args:
        program: Its description.
        folder: Where the program's file is.
        execute: Starts the program itself.
    """
    place = root.Root(
        tree=Path(program["tree"]),
        top=folder / "root",
        binds={place: folder / source for place, source in program["binds"].items()},
        links=program["links"],
        guarded={place: folder / source for place, source in program.get("guarded", {}).items()},
    )
    uid, gid = os.getuid(), os.getgid()

    def begin() -> None:
        root.map_user(uid, gid)
        place.settle(program["cwd"], has_processes=True)

    try:
        namespace.run(begin, execute)
    except namespace.RefusedError:
        # A container that hides parts of /proc allows no other one. What the program leaves is ended by `end_orphans`.
        try:
            place.become(program["cwd"])
        except OSError as error:
            sys.stderr.write(f"the release's root file system cannot be put together: {error}\n")
            sys.exit(EX_OSERR)


def _execute(argv: list[str], env: dict[str, str]) -> NoReturn:
    sys.stdout.flush()
    os.execve(argv[0], argv, env)  # noqa: S606 - no shell is the point


def sow(seeds: Path, folder: Path) -> None:
    """Copy the service's own files into a folder of data that hides them, but none that is there.

    This runs as the processes' user, who may have made links in that folder.
    """
    for path in sorted(seeds.rglob("*")):
        target = folder / path.relative_to(seeds)
        # A link that leads nowhere is there, too.
        if path.is_dir() or target.exists() or target.is_symlink():
            continue
        with contextlib.suppress(OSError):
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())


def bind_to(parent: int) -> None:
    """End when the process that started this one does, also if it has already."""
    namespace.die_with_parent(signal.SIGTERM)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGTERM)


def hold_sockets(addresses: list[tuple[str, int]], path: Path, user: int | None) -> NoReturn:
    """Listen, and give the sockets to everybody who connects to a socket file, but accept nothing.

    Whoever connects to a port while the process that accepts is changed for another one waits in the kernel's queue,
    which is there for as long as anybody has the socket open.

    Args:
        addresses: IP addresses and ports.
        path: The socket file, which root's starters alone can reach where root made it.
        user: The user to switch to.
    """
    held = []
    for address, port in addresses:
        one = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if address == "::" and ["0.0.0.0", port] in [list(other) for other in addresses]:  # noqa: S104 - compared
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            one.bind((address, port))
        except OSError as error:
            sys.exit(f"cannot listen on {address} port {port}: {error.strerror}")
        one.listen(_BACKLOG)
        held.append(one)
    path.unlink(missing_ok=True)
    giver = socket.socket(socket.AF_UNIX)
    giver.bind(str(path))
    giver.listen()
    if user:
        namespace.switch(user)
    while True:
        connection = giver.accept()[0]
        with connection, contextlib.suppress(OSError):
            socket.send_fds(connection, [b"\0"], [one.fileno() for one in held])


def receive_sockets(path: Path) -> list[int]:
    """Return the descriptors of the sockets that a program holds for this one, or none without it.

    A supervisor that comes up, or restarts both, starts them at once. If this one did not wait, it would bind the
    sockets itself, and keep the other from them.
    """
    files: list[int] = []
    end = time.monotonic() + _HANDOVER_LIMIT
    while not files and time.monotonic() < end:
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(_HANDOVER_LIMIT)
                connection.connect(str(path))
                _, files, _, _ = socket.recv_fds(connection, 1, _SOCKETS)
        except OSError:
            time.sleep(_HANDOVER_PAUSE)
    for file in files:
        os.set_inheritable(file, True)  # noqa: FBT003 - its only argument
        # nginx takes for granted that an inherited socket does not block. A worker that is woken for a connection which
        # another one accepts first would wait in accept(), and all of its own connections with it.
        os.set_blocking(file, False)
    return files


def note_start(text: str) -> None:
    """Write down what is about to run; on a full disk it runs all the same, and nothing is known of it."""
    made = Path(f"{STARTED}.new")
    try:
        made.write_text(text)
        made.replace(STARTED)
    except OSError:
        Path(STARTED).unlink(missing_ok=True)


def end_orphans(folder: Path) -> None:
    """End the processes that a killed program with sockets has left: they would go on accepting, and keep the port.

    All that runs for a service is in the process group of its supervisor, which this is a part of, too. SIGQUIT lets
    nginx's workers finish their requests.
    """
    try:
        program = json.loads((folder / STARTED).read_text())
    except (OSError, ValueError):
        return
    if not program.get("sockets"):
        return
    for orphan in find_orphans(os.getpgrp()):
        with contextlib.suppress(OSError):
            os.kill(orphan, signal.SIGQUIT)


def find_orphans(group: int) -> list[int]:
    """Return the members of a process group, but for its leader, whose parent is none; see proc_pid_stat(5)."""
    parents = {}
    for file in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # The name before the last parenthesis may have spaces of its own.
            _, parent, member_of, *_ = file.read_text(errors="replace").rpartition(")")[2].split()
            if int(member_of) == group:
                parents[int(file.parent.name)] = int(parent)
    return [process for process, parent in parents.items() if process != group and parent not in parents]


def note_end(arguments: list[str]) -> None:
    """Write down exit code and signal, which the supervisor passes on; the code is -1 where a signal ended it.

    A service that has a file `down` was told to end, which is no crash.
    """
    code, status = (int(word) for word in arguments[:2])
    end = {"code": code, "signal": status & 0x7F, "time": time.time()}
    _replace(EXIT, end)
    try:
        known = json.loads(Path(ENDS).read_text())["ends"]
    except (OSError, ValueError, KeyError, TypeError):
        known = []
    ends = [*known, {**end, "wanted": not Path("down").exists()}]
    _replace(ENDS, {"ends": ends[-_ENDS:]})


def _replace(name: str, content: dict[str, Any]) -> None:
    made = Path(f"{name}.new")
    made.write_text(json.dumps(content))
    made.replace(name)


if __name__ == "__main__":
    main()
