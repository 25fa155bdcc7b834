"""Client of the cache service: pushes of one question and one publication, pins, figures, collections and tokens.

Its requests are those of `cache-service/caches/views/`; its own token comes from Nix's netrc file.
"""

from __future__ import annotations

import netrc
import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlsplit

import requests

from estiba import responses
from estiba.errors import CacheError
from estiba.process import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from estiba.cache.address import Address
    from estiba.process import Runner

_MARK: Final = "PushSessions: 1"
"""Line of the service's `nix-cache-info`, which Nix ignores."""

_PART: Final = 64 << 20
"""Largest body that is sent, which proxies in front take; as in `cache-service/caches/views/uploads.py`."""

_CHUNK: Final = 1 << 16
_TRIES: Final = 5
_PAUSE: Final = 0.3
_TIMEOUT: Final = (10.0, 320.0)
"""Timeouts of connecting and of an answer in seconds: the service reads all NARs before it publishes them."""

_TRANSIENT: Final = frozenset({408, 429, 500, 502, 503, 504})
_LOST: Final = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)
_LARGEST: Final = 64 * 2**20
"""Largest answer in bytes; the names that a push of 10^5 paths lacks take 6 MB."""

_AGAIN: Final = "run the command again; what has arrived is not sent twice"
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A session that was begun.

    Attributes:
        number: Its ID.
        missing: Base names of the paths that the cache lacks.
        public_keys: Keys that the cache signs with, as `name:base64`, the newest first.
    """

    number: str
    missing: frozenset[str]
    public_keys: tuple[str, ...]


class _Part:
    """A part of a file, as the body of requests; it is never empty, since that would be sent in chunks."""

    def __init__(self, path: Path, offset: int, size: int, headers: Mapping[str, str] | None = None) -> None:
        self.headers = dict(headers or {})
        self._path, self._offset, self._size = path, offset, size

    def __enter__(self) -> None:
        """Begin it, also after an attempt that has failed."""
        self._file = self._path.open("rb")
        self._file.seek(self._offset)
        self._left = self._size

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self._file.close()

    def __len__(self) -> int:
        """Return the size in bytes."""
        return self._size

    def __iter__(self) -> Iterator[bytes]:
        """Yield it; a body that is not iterable would be no stream."""
        return iter(lambda: self.read(_CHUNK), b"")

    def read(self, size: int) -> bytes:
        """Return the next bytes."""
        data = self._file.read(min(size, self._left))
        self._left -= len(data)
        return data


class Service:
    """Client of one cache of a service, which threads share."""

    def __init__(
        self, address: Address, credentials: tuple[str, str] | None, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.address = address
        self._sleep = sleep
        self._session = requests.Session()
        # A proxy of the environment cannot reach the loopback address of this machine.
        self._session.trust_env = urlsplit(address.url).hostname not in _LOOPBACK
        self._session.auth = credentials or _anonymous

    def begin(self, paths: Mapping[str, str]) -> Opened:
        """Begin a session.

        Args:
            paths: Hashes of NARs, by the base names of their paths.

        Raises:
            CacheError: The service refuses, as for a path that it has with other contents.
        """
        found = self._ask("POST", "api/sessions", json={"paths": dict(paths)}).json()
        return Opened(
            number=found["session"], missing=frozenset(found["missing"]), public_keys=tuple(found["public_keys"])
        )

    def send(self, name: str, file: Path) -> None:
        """Send a file, which is a NAR by its hash; a large one in parts, from where another push was interrupted.

        Raises:
            CacheError: The service refuses, or does not answer.
        """
        size = file.stat().st_size
        if size <= _PART:
            self._ask("PUT", name, part=_Part(file, 0, size))
            return
        place = f"api/uploads/{name.removeprefix('nar/')}"
        found = self._ask("GET", place).json()
        while not found["whole"]:
            # Where all has arrived that a crash has kept the service from looking at, the last byte reminds it.
            offset = min(int(found["received"]), size - 1)
            headers = {"Upload-Offset": str(offset), "Upload-Length": str(size)}
            part = _Part(file, offset, min(_PART, size - offset), headers)
            found = self._ask("PATCH", place, part=part).json()

    def publish(self, session: str, narinfos: Sequence[str]) -> None:
        """Publish paths whose NARs were sent, all or none.

        Raises:
            CacheError: The service refuses.
        """
        self._ask("POST", f"api/sessions/{session}", json={"narinfos": list(narinfos)})

    def pin(self, name: str, path: str, *, keep: int) -> list[str]:
        """Give a store path a name, which keeps it with its closure.

        Args:
            name: Name of the pin.
            path: The store path.
            keep: How many paths of this name are kept, the newest ones.

        Returns:
            Base names of the paths with this name, the newest first.

        Raises:
            CacheError: The service refuses, as do the following ones.
        """
        body = {"path": base_name(path), "keep": keep}
        return [str(one) for one in self._ask("PUT", f"api/pins/{quote(name)}", json=body).json()["paths"]]

    def unpin(self, name: str) -> int:
        """Remove a name from all its paths; return how many there were."""
        return int(self._ask("DELETE", f"api/pins/{quote(name)}").json()["removed"])

    def read_figures(self) -> dict[str, int]:
        """Return how many paths, files, bytes and pins the cache has."""
        return {str(name): int(value) for name, value in self._ask("GET", "api/figures").json().items()}

    def read_pins(self) -> list[dict[str, str]]:
        """Return `name`, `path` and `created_at` of each pin, the newest first."""
        return [{**one} for one in self._ask("GET", "api/pins").json()["pins"]]

    def explain(self, path: str) -> str:
        """Return why a store path is kept."""
        return str(self._ask("GET", f"api/reasons/{base_name(path)[:32]}").json()["reason"])

    def collect(self, *, dry_run: bool) -> dict[str, Any]:
        """Mark what nothing needs and delete what was marked before, or return what would be done."""
        return {**self._ask("POST", "api/collections", json={"dry_run": dry_run}).json()}

    def delete(self, path: str, *, dry_run: bool) -> dict[str, Any]:
        """Delete a store path, or ask whether it would be; return its `path` and `size` in bytes."""
        body = {"path": base_name(path), "dry_run": dry_run}
        return {**self._ask("POST", "api/deletions", json=body).json()}

    def check(self, *, read: bool, repair: bool) -> dict[str, Any]:
        """Compare the files of the cache with its database, in steps that each end within the time of a request.

        Args:
            read: Read all NARs and check their hashes, not their sizes alone.
            repair: Mend what can be mended, too.

        Returns:
            `damaged`, of which each has `path` and `reason`, and the numbers of published files that are `written`
            again or `removed`, or would be.
        """
        total: dict[str, Any] = {"damaged": [], "removed": 0, "written": 0}
        after = -1
        while after:
            body = {"read": read, "repair": repair, "after": max(after, 0)}
            found = self._ask("POST", "api/checks", json=body).json()
            after = int(found["last"])
            total = {name: value + found[name] for name, value in total.items()}
        return total

    def create_token(self, name: str, scopes: Sequence[str], *, days: int) -> str:
        """Make a token of the cache, and return its secret.

        Args:
            name: Whose it is, or what for.
            scopes: What it allows.
            days: Days until it expires; 0 for never.
        """
        body = {"name": name, "scopes": list(scopes), **({"days": days} if days else {})}
        return str(self._ask("POST", "api/tokens", json=body).json()["token"])

    def is_service(self) -> bool:
        """Tell whether the address is one of a cache service.

        Raises:
            CacheError: It lets nobody in without a token.
        """
        try:
            url = f"{self.address}/nix-cache-info"
            answer = responses.bound(self._session.get(url, timeout=_TIMEOUT, stream=True))
        except requests.RequestException:
            # Nix says what is wrong, in words that fit all kinds of caches.
            return False
        if answer.status_code == HTTPStatus.UNAUTHORIZED:
            raise _refuse(self.address, answer)
        return answer.ok and _MARK in answer.text.splitlines()

    def _ask(
        self, method: str, place: str, *, json: dict[str, Any] | None = None, part: _Part | None = None
    ) -> requests.Response:
        """Send a request, again after a failure that may pass."""
        reason = ""
        for number in range(_TRIES):
            self._sleep(_PAUSE * number**2)
            try:
                answer = responses.bound(self._send(method, place, json=json, part=part), _LARGEST)
            except responses.ResponseLimitError as error:
                reason = f"it answers with {error}"
                break
            except _LOST as error:
                reason = f"it does not answer: {error}"
                continue
            if answer.status_code not in _TRANSIENT:
                if not answer.ok:
                    raise _refuse(self.address, answer)
                return answer
            reason = _tell(answer)
        message = f"the cache at {self.address}: {reason}"
        raise CacheError(message, hint=_AGAIN)

    def _send(self, method: str, place: str, *, json: dict[str, Any] | None, part: _Part | None) -> requests.Response:
        url = f"{self.address}/{place}"
        if part is None:
            return self._session.request(method, url, json=json, timeout=_TIMEOUT, stream=True)
        with part:
            return self._session.request(method, url, data=part, headers=part.headers, timeout=_TIMEOUT, stream=True)


def base_name(path: str) -> str:
    """Return a store path without the folder of the store."""
    return path.removeprefix("/nix/store/")


def connect(address: Address, *, runner: Runner = run) -> Service:
    """Return the client of a cache that has to be one of the service.

    Raises:
        CacheError: It is not, or lets nobody in without a token.
    """
    if found := find(address, runner=runner):
        return found
    message = f"there is no cache service at {address}"
    raise CacheError(message, hint="look at the address, which ends with the name of the cache, and whether it runs")


def find(address: Address, *, runner: Runner = run) -> Service | None:
    """Return the client of a cache service, or None for another kind of cache.

    Raises:
        CacheError: It lets nobody in without a token, or the netrc file cannot be read.
    """
    if address.folder:
        return None
    service = Service(address, _find_credentials(address, runner))
    return service if service.is_service() else None


def _find_credentials(address: Address, runner: Runner) -> tuple[str, str] | None:
    """Return login and password for a host from the netrc file that Nix reads (nix.conf(5), `netrc-file`)."""
    file = runner(["nix", "config", "show", "netrc-file"], check=False).stdout.strip()
    if not file:
        return None
    try:
        known = netrc.netrc(file).authenticators(urlsplit(address.url).hostname or "")
    except FileNotFoundError:
        return None
    except (OSError, netrc.NetrcParseError) as error:
        message = f"cannot read {file}: {getattr(error, 'strerror', None) or getattr(error, 'msg', '')}"
        raise CacheError(message, hint="it has lines such as: machine HOST login NAME password TOKEN") from error
    return (known[0], known[2]) if known and known[2] else None


def _anonymous(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Add nothing to a request; without this function requests would look for a netrc file of its own."""
    return request


def _refuse(address: Address, answer: requests.Response) -> CacheError:
    message = f"the cache at {address} refuses: {_tell(answer)}"
    hints: dict[int, str] = {
        HTTPStatus.UNAUTHORIZED: "put a token into the file that netrc-file of nix.conf names: "
        f"machine {urlsplit(address.url).hostname} login token password TOKEN",
        HTTPStatus.GONE: _AGAIN,
    }
    return CacheError(message, hint=hints.get(answer.status_code, ""))


def _tell(answer: requests.Response) -> str:
    """Return what an answer says, in one line."""
    is_text = answer.headers.get("Content-Type", "").startswith("text/plain")
    said = answer.text.strip().partition("\n")[0] if is_text else ""
    return f"HTTP error {answer.status_code}" + (f": {said}" if said else "")
