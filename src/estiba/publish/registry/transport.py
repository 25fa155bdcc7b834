"""HTTP requests to a registry: authentication, retries with exponential backoff, connection pool, request count."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter

from estiba.errors import RegistryError
from estiba.limits import LIMIT, LimitError
from estiba.publish import connection
from estiba.publish.registry.auth import Authenticator, header_auth
from estiba.responses import bound

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from estiba.imageref import ImageRef
    from estiba.publish.registry.credentials import Credentials

JOBS: Final = 8
"""Maximum number of parallel requests."""

_TRANSIENT: Final = frozenset({408, 429, 500, 502, 503, 504})
_TIMEOUT: Final = (10.0, 300.0)
"""Timeouts of connecting and of each read, in seconds."""

_BLOCK: Final = 1 << 18
_RETRIED: Final = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)
_AGAIN: Final = "check the registry's name and port, then run the command again; what has arrived is not sent twice"


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Retry policy with exponential backoff.

    Attributes:
        attempts: Maximum number of attempts.
        pause: Seconds before the second attempt, doubled for each further one.
        longest: Maximum pause in seconds, also if the registry asks for a longer one (`Retry-After`).
        sleep: Sleeps for a number of seconds.
    """

    attempts: int = 6
    pause: float = 0.2
    longest: float = 20.0
    sleep: Callable[[float], None] = time.sleep

    def tries(self) -> Iterator[bool]:
        """Yield for each attempt whether it is the last one, and sleep in between."""
        for number in range(1, self.attempts + 1):
            yield number == self.attempts
            self.sleep(min(self.pause * 2 ** (number - 1), self.longest))


class Body(Protocol):
    """Request body of known length that can be sent again."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[bytes]: ...
    def rewind(self) -> None:
        """Return to the start of the body."""


class TransientError(RegistryError):
    """A request failed, and may succeed if it is sent again."""


class Transport:
    """HTTP client of one registry, shared by all threads of a push."""

    def __init__(
        self,
        ref: ImageRef,
        *,
        scopes: tuple[str, ...],
        credentials: Credentials | None = None,
        insecure: bool = False,
        backoff: Backoff | None = None,
    ) -> None:
        scheme = "http" if insecure or ref.is_loopback else "https"
        self.host = ref.host
        self.backoff = backoff or Backoff()
        self.requests = 0
        self._base = f"{scheme}://{ref.host}"
        self._scopes = scopes
        self._lock = threading.Lock()
        self._session = requests.Session()
        # A proxy of the environment cannot reach the loopback address of this machine.
        self._session.trust_env = not ref.is_loopback
        self._session.mount(f"{scheme}://", _Adapter())
        self._auth = Authenticator(ref.host, credentials, self._session)

    def send(
        self,
        method: str,
        path: str,
        *,
        expect: Collection[int],
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        body: bytes | None = None,
        limit: int = LIMIT,
    ) -> requests.Response:
        """Send a request, with retries after transient errors, and return the response.

        Args:
            method: HTTP method.
            path: Path, or URL for an upload location.
            expect: Expected status codes.
            headers: Headers.
            params: Query parameters.
            body: Body.
            limit: Largest size of the response's body in bytes.

        Raises:
            RegistryError: The registry cannot be reached, or the status is none of the expected.
        """
        for is_last in self.backoff.tries():
            try:
                return self.send_once(
                    method, path, expect=expect, headers=headers, params=params, body=body, limit=limit
                )
            except TransientError as error:
                if is_last:
                    raise RegistryError(error.message, hint=_AGAIN) from error
        raise AssertionError

    def send_once(
        self,
        method: str,
        path: str,
        *,
        expect: Collection[int],
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        body: bytes | Body | None = None,
        limit: int = LIMIT,
    ) -> requests.Response:
        """Send a request without retries, but again after an authentication challenge; arguments as for `send`.

        Raises:
            TransientError: The request failed, and may succeed if it is sent again.
            RegistryError: The request failed for good.
        """
        url = urljoin(self._base, path)
        options: dict[str, Any] = {"headers": dict(headers or {}), "params": params}
        sent = self._authorization(url)
        response = self._request(method, url, sent=sent, body=body, options=options, limit=limit)
        # 401 after a token was sent means that it has expired; a fresh token that is refused raises in challenge().
        if response.status_code == requests.codes.unauthorized and self._is_own(url):
            self._auth.challenge(response.headers.get("WWW-Authenticate", ""), scopes=self._scopes, sent=sent)
            if body is not None and not isinstance(body, bytes):
                body.rewind()
            sent = self._authorization(url)
            response = self._request(method, url, sent=sent, body=body, options=options, limit=limit)
        if response.status_code in expect:
            return response
        raise self._refusal(method, url, response)

    def _request(
        self, method: str, url: str, *, sent: str, body: bytes | Body | None, options: dict[str, Any], limit: int
    ) -> requests.Response:
        with self._lock:
            self.requests += 1
        # requests would turn a redirected POST into a GET.
        follow = method in {"GET", "HEAD"}
        try:
            response = self._session.request(
                method,
                url,
                auth=header_auth(sent),
                data=body,
                timeout=_TIMEOUT,
                allow_redirects=follow,
                stream=True,
                **options,
            )
            return bound(response, limit)
        except _RETRIED as error:
            message = f"{self.host}: {method} {urlsplit(url).path} failed: {connection.describe_failure(error)}"
            raise TransientError(message) from error
        except LimitError as error:
            message = f"{self.host} answers {method} {urlsplit(url).path} with {error}"
            raise RegistryError(
                message, hint="this is a fault of the registry, or of a proxy in front of it"
            ) from error
        except requests.RequestException as error:
            message = f"{self.host}: {method} {urlsplit(url).path} failed: {type(error).__name__}"
            raise RegistryError(message) from error

    def _authorization(self, url: str) -> str:
        """Return `Authorization` for a URL, nothing for other hosts, such as the object store behind a registry."""
        return self._auth.header(self._scopes) if self._is_own(url) else ""

    def _is_own(self, url: str) -> bool:
        return urlsplit(url)[:2] == urlsplit(self._base)[:2]

    def _refusal(self, method: str, url: str, response: requests.Response) -> RegistryError:
        """Return the error for a response; it shows only the path of the URL, whose query may hold a signature."""
        description = describe(response)
        message = f"{self.host} answered {response.status_code} to {method} {urlsplit(url).path}{description}"
        if response.status_code in _TRANSIENT:
            self._sleep_retry_after(response)
            return TransientError(message)
        match response.status_code:
            case requests.codes.unauthorized:
                return RegistryError(message, hint=f"log in: docker login {self.host}")
            case requests.codes.forbidden:
                hint = f"log in as a user who may do this: docker login {self.host}"
                return RegistryError(message, hint=hint)
            case _:
                return RegistryError(message)

    def _sleep_retry_after(self, response: requests.Response) -> None:
        asked = response.headers.get("Retry-After", "")
        if asked.isdecimal():
            self.backoff.sleep(min(float(asked), self.backoff.longest))


def describe(response: requests.Response) -> str:
    """Return the errors in a response as `: CODE message`, or an empty string (distribution-spec, "Error Codes")."""
    try:
        errors = response.json()["errors"]
        reasons = [f"{error.get('code', '')} {error.get('message', '')}".strip() for error in errors]
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""
    return f": {'; '.join(reasons)}" if reasons else ""


class _Adapter(HTTPAdapter):
    """HTTP adapter with a connection for each job, and large blocks; those of urllib3 are 16 KiB by default."""

    def __init__(self) -> None:
        super().__init__(pool_connections=1, pool_maxsize=JOBS)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - as inherited
        super().init_poolmanager(*args, blocksize=_BLOCK, **kwargs)
