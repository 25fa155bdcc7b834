"""Authentication at a registry: basic credentials, or a bearer token (CNCF Distribution, "Token Authentication")."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import requests

from estiba.errors import RegistryError
from estiba.publish import connection
from estiba.responses import bound

if TYPE_CHECKING:
    from collections.abc import Mapping

    from estiba.publish.registry.credentials import Credentials

_CLIENT: Final = "estiba"
_TIMEOUT: Final = 30.0
_SCHEME: Final = re.compile(r"\s*([A-Za-z][A-Za-z0-9!#$%&'*+.^_`|~-]*)\s*")
_PARAMETER: Final = re.compile(r'\s*,?\s*([A-Za-z0-9_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """Challenge in a `WWW-Authenticate` header: scheme in lower case, and parameters."""

    scheme: str
    parameters: Mapping[str, str] = field(default_factory=dict)


def parse_challenges(header: str) -> list[Challenge]:
    """Parse a `WWW-Authenticate` header, which may have several challenges (RFC 9110, 11.6.1)."""
    challenges: list[Challenge] = []
    position = 0
    while match := _SCHEME.match(header, position):
        parameters: dict[str, str] = {}
        position = match.end()
        while parameter := _PARAMETER.match(header, position):
            name, quoted, plain = parameter.groups()
            parameters[name.lower()] = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else plain
            position = parameter.end()
        challenges.append(Challenge(scheme=match[1].lower(), parameters=parameters))
        position += len(header[position:]) - len(header[position:].lstrip(", \t"))
    return challenges


def pull_scope(repository: str) -> str:
    """Return the token scope to pull from a repository."""
    return f"repository:{repository}:pull"


def push_scope(repository: str) -> str:
    """Return the token scope to pull from and push to a repository."""
    return f"repository:{repository}:pull,push"


class Authenticator:
    """Source of the `Authorization` header for requests to a registry, shared by all threads.

    Credentials are sent only after a challenge, and from then on with every request.
    """

    def __init__(self, host: str, credentials: Credentials | None, session: requests.Session) -> None:
        self._host = host
        self._credentials = credentials
        self._session = session
        self._challenge: Challenge | None = None
        self._tokens: dict[tuple[str, ...], str] = {}
        self._lock = threading.Lock()

    def header(self, scopes: tuple[str, ...]) -> str:
        """Return the value of `Authorization` for some scopes, or an empty string before the first challenge."""
        # Under the lock, so that threads that start at once fetch one token, not one each.
        with self._lock:
            if self._challenge is None:
                return ""
            if self._challenge.scheme == "basic":
                return self._credentials.basic if self._credentials else ""
            if scopes not in self._tokens:
                self._tokens[scopes] = self._fetch_token(self._challenge, scopes)
            return f"Bearer {self._tokens[scopes]}"

    def challenge(self, header: str, *, scopes: tuple[str, ...], sent: str) -> None:
        """Process the challenge of a response with status 401.

        Args:
            header: Value of `WWW-Authenticate`.
            scopes: Scopes of the request.
            sent: Value of `Authorization` in the request.

        Raises:
            RegistryError: No scheme is supported, or the registry refuses the credentials.
        """
        offered = {challenge.scheme: challenge for challenge in parse_challenges(header)}
        chosen = offered.get("bearer") or offered.get("basic")
        if chosen is None:
            message = f"{self._host} asks for authentication by {', '.join(sorted(offered)) or 'nothing'}"
            raise RegistryError(message, hint="only basic and bearer authentication are supported")
        with self._lock:
            if chosen.scheme == "basic" and (sent or not self._credentials):
                raise self._refused()
            # The token has expired, unless another thread has replaced it since.
            if sent == f"Bearer {self._tokens.get(scopes)}":
                del self._tokens[scopes]
            self._challenge = chosen

    def _fetch_token(self, challenge: Challenge, scopes: tuple[str, ...]) -> str:
        """Fetch a token from the token server; an identity token is exchanged by OAuth2 (RFC 6749, 6)."""
        realm = challenge.parameters.get("realm", "")
        self._check_realm(realm)
        service = challenge.parameters.get("service", "")
        try:
            response = bound(self._request_token(realm, service, scopes))
        except requests.RequestException as error:
            message = f"the token server of {self._host} cannot be reached: {connection.describe_failure(error)}"
            raise RegistryError(message, hint="run the command again") from error
        if response.status_code in {401, 403}:
            raise self._refused()
        try:
            data = response.json() if response.ok else {}
            token = data.get("token") or data.get("access_token")
        except (ValueError, AttributeError):
            token = None
        if not token:
            message = f"the token server of {self._host} answered {response.status_code} without a token"
            raise RegistryError(message, hint=f"log in again: docker login {self._host}")
        return str(token)

    def _request_token(self, realm: str, service: str, scopes: tuple[str, ...]) -> requests.Response:
        credentials = self._credentials
        if credentials and credentials.identity_token:
            form = {
                "grant_type": "refresh_token",
                "service": service,
                "client_id": _CLIENT,
                "scope": " ".join(scopes),
                "refresh_token": credentials.identity_token,
            }
            # A redirect would carry the refresh token to another server.
            return self._session.post(
                realm, data=form, timeout=_TIMEOUT, auth=header_auth(""), allow_redirects=False, stream=True
            )
        query: dict[str, Any] = {"scope": list(scopes), **({"service": service} if service else {})}
        auth = header_auth(credentials.basic if credentials else "")
        return self._session.get(realm, params=query, timeout=_TIMEOUT, auth=auth, stream=True)

    def _check_realm(self, realm: str) -> None:
        """Refuse a token server to which credentials would be sent in clear text over a network."""
        parts = urlsplit(realm)
        is_local = parts.hostname in {"localhost", "127.0.0.1", "::1"} or parts.netloc == self._host
        if parts.scheme != "https" and not (parts.scheme == "http" and is_local):
            message = f"{self._host} names a token server without HTTPS"
            raise RegistryError(message, hint="ask the registry's operator; credentials were not sent")

    def _refused(self) -> RegistryError:
        if self._credentials is None:
            message = f"{self._host} wants credentials, and there are none for it"
        else:
            message = f"{self._host} refuses the credentials there are for it"
        return RegistryError(message, hint=f"log in: docker login {self._host}")


class _Header(requests.auth.AuthBase):
    """Authentication that sets `Authorization`, also to nothing: requests would read netrc(5) without one."""

    def __init__(self, value: str) -> None:
        self._value = value

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._value:
            request.headers["Authorization"] = self._value
        return request


def header_auth(value: str) -> requests.auth.AuthBase:
    """Return a requests authentication that sends a value of `Authorization`, or none if it is empty."""
    return _Header(value)
