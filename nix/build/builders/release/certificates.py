"""Keep the certificates of a front: have them issued and renewed, install them, and have nginx read them.

The supervisor runs this as the deploying user, in a folder of its own. `sites/` of the front has a JSON file for each
service, which a deployment writes; SIGHUP says that they have changed. All that this writes lies in folders of the
deploying user. What the ACME client writes does not, so links in it are not followed.
"""

import contextlib
import http.client
import json
import os
import random
import signal
import ssl
import stat
import subprocess
import sys
import time
from base64 import b64decode
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

CHECK = 3600.0
"""Longest time in seconds until files are looked at again."""

_LONGEST = 1 << 20
_CLIENT_LIMIT = 240.0
_APPLY_LIMIT = 20.0
_PAUSE = 0.05
_HOUR = 3600.0
_TRIES_AN_HOUR = 4
"""Failures in an hour after which no deployment causes another try: Let's Encrypt allows five for a name."""

_FIRST_PAUSE, _LONGEST_PAUSE = 900.0, 86400.0
_REMEMBERED = 8
"""Failures after which the pause is the longest."""

_LEFT_AT_RENEWAL = 3
"""A certificate is renewed when this part of its time is left, a third."""

_RELOADED = "certificates/reloaded"
"""File whose time is that of nginx's last signal to read its files again."""

_LINES = 8
_VERSION, _GENERALIZED_TIME = 0xA0, 0x18
"""Types of values in DER."""
_MODE = 0o640


class Front(NamedTuple):
    """The folder of a front.

    Attributes:
        folder: Its path.
        group: The group of nginx, or None where nginx runs as this user.
        starter: The program that starts the ACME client as its `program.json` says.
    """

    folder: Path
    group: int | None
    starter: Path

    def bring(self, *, is_asked: bool, now: float) -> float:
        """Bring all certificates up to date, and return the seconds until there may be something to do again.

        Args:
            is_asked: Whether somebody has asked for it just now, so that a failure of before is no reason to wait.
            now: Seconds since the epoch.
        """
        sites = dict(self.sites())
        self._clear(now)
        for key, site in sites.items():
            if "certificate" in site:
                self._install_files(key, site)
        self.show(sites)
        waits = [CHECK]
        for key, site in sites.items():
            if "acme" in site:
                waits.append(self._renew(key, site, is_asked=is_asked, now=now))
        return max(1.0, min(waits))

    def sites(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the services by key."""
        for path in sorted((self.folder / "sites").glob("*.json")):
            with contextlib.suppress(OSError, ValueError):
                yield path.stem, json.loads(path.read_text())

    def show(self, sites: dict[str, dict[str, Any]]) -> None:
        """Give nginx the servers of all services, and wait until it has read them."""
        changed = {}
        for key, site in sites.items():
            state = "ready" if self._pem(key).exists() else "waiting"
            if _replace(self.folder / f"serve/sites/{key}.conf", site[state], 0o644):
                changed[key] = state
        if changed:
            self.reload()
        for key, state in changed.items():
            self._await(sites[key], f"{key} {state} {sites[key]['digest']}")

    def reload(self) -> None:
        """Have nginx read its configuration and the certificates again; requests in progress go on."""
        control = self.folder / "services/nginx/supervise/control"
        with contextlib.suppress(OSError):
            pipe = os.open(control, os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
            try:
                os.write(pipe, b"h")
            finally:
                os.close(pipe)
            (self.folder / _RELOADED).touch()

    def catch_up(self) -> None:
        """Have nginx read what has changed since it last did; whoever changed it may have been killed before that."""
        read = max(self._changed("services/nginx/supervise/pid"), self._changed(_RELOADED))
        if max(self._changed("serve/sites"), self._changed("serve/certificates")) > read:
            self.reload()

    def _changed(self, name: str) -> float:
        """Return when a file or folder was last changed, in seconds since the epoch; 0 where there is none."""
        try:
            return (self.folder / name).stat().st_mtime
        except OSError:
            return 0.0

    def _await(self, site: dict[str, Any], wanted: str) -> None:
        """Wait until nginx answers for a service as its file says."""
        end = time.monotonic() + _APPLY_LIMIT
        while time.monotonic() < end:
            connection = http.client.HTTPConnection(site["address"], site["http_port"], timeout=_APPLY_LIMIT)
            with contextlib.suppress(OSError, http.client.HTTPException), contextlib.closing(connection):
                connection.request("GET", "/.estiba", headers={"Host": site["hosts"][0]})
                if connection.getresponse().read().decode(errors="replace") == wanted:
                    return
            time.sleep(_PAUSE)

    def _clear(self, now: float) -> None:
        """Remove what is left of services that are gone; their certificates stay with the ACME client."""
        for path in self.folder.glob("certificates/*.json"):
            # Whoever takes a service down and up again is not asked for more tries by the authority either.
            failures = self._state(path.stem).get("failures", ())
            if not self._has(path.stem) and not any(one > now - _HOUR for one in failures):
                path.unlink(missing_ok=True)
        gone = [
            path
            # Not in the folder of challenges, which is the ACME client's.
            for pattern in ("sites/*.conf", "sites/.*.new", "certificates/*.pem", "certificates/.*.new")
            for path in self.folder.glob(f"serve/{pattern}")
            if not self._has(path.stem)
        ]
        for path in gone:
            path.unlink(missing_ok=True)
        if gone:
            self.reload()

    def _renew(self, key: str, site: dict[str, Any], *, is_asked: bool, now: float) -> float:
        """Have a certificate issued or renewed if it is time, and return the seconds until it is."""
        known = self._state(key)
        order = site["acme"]["order"]
        if known.get("order") != order:
            known = {"failures": known.get("failures", [])}
        due = self._due(key) if known.get("issued") == order else 0.0
        if due > now:
            return due - now
        # A clock that was wrong may have written some of the future.
        failures = [one for one in known.get("failures", ()) if one <= now]
        if failures and (later := self._pause(failures, is_asked=is_asked, now=now)):
            if is_asked:
                why = {"problem": f"{_TRIES_AN_HOUR} orders have failed within an hour", "next": now + later}
                self._note(key, {**why, **known, "order": order})
            return later
        problem = self._issue(key, site)
        if not problem:
            self._note(key, {"order": order, "issued": order, "failures": [], "problem": "", "next": self._due(key)})
            return max(1.0, self._due(key) - time.time())
        failures = [*failures, time.time()][-_REMEMBERED:]
        pause = self._pause(failures, is_asked=False, now=time.time())
        self._note(
            key,
            {**known, "order": order, "failures": failures, "problem": problem, "next": failures[-1] + pause},
        )
        return pause

    def _pause(self, failures: list[float], *, is_asked: bool, now: float) -> float:
        """Return the seconds until the next try after failures; 0 for at once."""
        if is_asked and sum(one > now - _HOUR for one in failures) < _TRIES_AN_HOUR:
            return 0.0
        pause = min(_FIRST_PAUSE * 2.0 ** (len(failures) - 1), _LONGEST_PAUSE)
        return max(0.0, failures[-1] + pause - now)

    def _due(self, key: str) -> float:
        """Return when the installed certificate is to be renewed, in seconds since the epoch; 0 without one."""
        try:
            since, until = read_validity(self._pem(key).read_text(encoding="utf-8"))
        except (OSError, ValueError, IndexError):
            return 0.0
        return until - (until - since) / _LEFT_AT_RENEWAL

    def _issue(self, key: str, site: dict[str, Any]) -> str:
        """Run the ACME client, install what it gets, and return what is wrong, or an empty string."""
        place = self.folder / "tasks/acme"
        try:
            (place / "program.json").write_text(json.dumps({**site["acme"]["program"], "bound": os.getpid()}))
            done = subprocess.run(
                [str(self.starter)],
                cwd=place,
                env={},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=_CLIENT_LIMIT,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"the ACME client did not end within {_CLIENT_LIMIT:g} seconds"
        except OSError as error:
            return f"the ACME client cannot be run: {error}"
        said = done.stdout.decode(errors="replace")
        sys.stdout.write(said)
        sys.stdout.flush()
        if done.returncode:
            return "\n".join(line.strip() for line in said.splitlines()[-_LINES:])
        try:
            text = "\n".join(read_below(self.folder / "data/acme", site["acme"][name]) for name in ("chain", "key"))
            self._install(key, text)
        except (OSError, ValueError) as error:
            return f"what the ACME client has written cannot be used: {error}"
        return ""

    def _install_files(self, key: str, site: dict[str, Any]) -> None:
        """Install a certificate and a key that somebody else renews, once the two fit."""
        problem = ""
        try:
            # Links are followed, which Certbot's folder `live` consists of; a deployer has chosen the files.
            paths = [site["certificate"][name] for name in ("certificate", "key")]
            text = "\n".join(_read(os.open(path, os.O_RDONLY | os.O_NONBLOCK), path) for path in paths)
            self._install(key, text)
        except (OSError, ValueError) as error:
            problem = f"the new certificate cannot be used: {error}"
        self._note(key, {"problem": problem})

    def _install(self, key: str, text: str) -> None:
        """Put a certificate and its key where nginx reads them, in one file, so that they always fit.

        Raises:
            OSError: They do not fit (`ssl.SSLError`), or cannot be written.
        """
        path = self._pem(key)
        with contextlib.suppress(OSError):
            if path.read_text(encoding="utf-8") == text:
                return
        made = _write(path, text, _MODE, self.group)
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(made, password=lambda: b"")
            is_new = not path.exists()
            made.replace(path)
        finally:
            made.unlink(missing_ok=True)
        if is_new:
            self.show(dict(self.sites()))
        else:
            self.reload()

    def _has(self, key: str) -> bool:
        """Return whether a service is registered, also where its file cannot be read."""
        return (self.folder / f"sites/{key}.json").exists()

    def _pem(self, key: str) -> Path:
        return self.folder / f"serve/certificates/{key}.pem"

    def _state(self, key: str) -> dict[str, Any]:
        try:
            found = json.loads((self.folder / f"certificates/{key}.json").read_text())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def _note(self, key: str, state: dict[str, Any]) -> None:
        """Write down what is known of a certificate, and when, for whoever waits for it."""
        text = json.dumps({**state, "at": time.time()}, sort_keys=True)
        _replace(self.folder / f"certificates/{key}.json", f"{text}\n", 0o600)


def keep(front: Front) -> NoReturn:
    """Bring the certificates up to date again and again."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP])
    front.catch_up()
    is_asked = True
    while True:
        wait = CHECK
        try:
            wait = front.bring(is_asked=is_asked, now=time.time())
        except OSError as error:
            # Such as a full disk, which may be over by the next time.
            sys.stdout.write(f"{error}\n")
            sys.stdout.flush()
        # Not all fronts of the world at the same minute.
        spread = random.uniform(0, min(60.0, wait / 10))  # noqa: S311 - nothing secret
        is_asked = signal.sigtimedwait([signal.SIGHUP], wait + spread) is not None


def read_below(folder: Path, path: str) -> str:
    """Read a file in a folder that another user writes to, without following links.

    Args:
        folder: The folder.
        path: The file's path in it.

    Raises:
        OSError: There is a link or something else in the way.
        ValueError: It is no regular file, or too long.
    """
    *parents, name = Path(path).parts
    with contextlib.ExitStack() as stack:
        where = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        stack.callback(os.close, where)
        for part in parents:
            where = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=where)
            stack.callback(os.close, where)
        return _read(os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=where), path)


def _read(file: int, path: str) -> str:
    """Read an open file and close it.

    Raises:
        ValueError: It is no regular file, or too long.
    """
    with os.fdopen(file, encoding="utf-8", errors="replace") as stream:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            msg = f"{path} is no regular file"
            raise ValueError(msg)
        text = stream.read(_LONGEST)
    if len(text) == _LONGEST:
        msg = f"{path} is too long"
        raise ValueError(msg)
    return text


def read_validity(text: str) -> tuple[float, float]:
    """Return since when and until when the first certificate of a PEM file is valid, in seconds since the epoch.

    RFC 5280, 4.1: a certificate is a sequence whose first part has version, serial number, algorithm, issuer, validity.

    Raises:
        ValueError: It is no certificate.
        IndexError: It ends too early.
    """
    body = text.partition("-----BEGIN CERTIFICATE-----")[2].partition("-----END CERTIFICATE-----")[0]
    (_, certificate), *_ = _parts(b64decode(body))
    (_, signed), *_ = _parts(certificate)
    fields = [field for kind, field in _parts(signed) if kind != _VERSION]
    since, until = (_parse_time(kind, value) for kind, value in _parts(fields[3]))
    return since, until


def _parts(data: bytes) -> list[tuple[int, bytes]]:
    """Return type and content of the values in DER (X.690, 8.1)."""
    found, place = [], 0
    while place < len(data):
        kind, length, place = data[place], data[place + 1], place + 2
        if length & 0x80:
            size = length & 0x7F
            length, place = int.from_bytes(data[place : place + size], "big"), place + size
        found.append((kind, data[place : place + length]))
        place += length
    return found


def _parse_time(kind: int, value: bytes) -> float:
    # UTCTime has two digits of the year, and means 1950 to 2049 (RFC 5280, 4.1.2.5).
    text = value.decode() if kind == _GENERALIZED_TIME else f"{19 if value >= b'50' else 20}{value.decode()}"
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp()


def _write(path: Path, text: str, mode: int, group: int | None = None) -> Path:
    """Write a file beside another one, and return its path."""
    made = path.with_name(f".{path.name}.new")
    made.unlink(missing_ok=True)
    file = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(file, "w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        if group is not None:
            os.fchown(file, -1, group)
        os.fchmod(file, mode)
        os.fsync(file)
    return made


def _replace(path: Path, text: str, mode: int) -> bool:
    """Replace a file unless it has the same text, and return whether it had another one."""
    with contextlib.suppress(OSError):
        if path.read_text() == text:
            return False
    _write(path, text, mode).replace(path)
    return True
