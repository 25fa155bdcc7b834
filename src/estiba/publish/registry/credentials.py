"""Registry credentials of Docker: `config.json` and credential helpers (docker-credential-helpers)."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from estiba.errors import ConfigError, MissingProgramError
from estiba.process import run

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from estiba.process import Runner

_TOKEN_USER: Final = "<token>"  # noqa: S105 - the user name that marks an identity token
_NOT_FOUND: Final = "credentials not found"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """User name and password, or an identity token (OAuth2 refresh token); `repr` shows no secret."""

    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)

    @property
    def basic(self) -> str:
        """Value of the `Authorization` header for the basic scheme (RFC 7617)."""
        return f"Basic {base64.b64encode(f'{self.username}:{self.password}'.encode()).decode()}"


def load(config: Path, host: str, *, runner: Runner = run) -> Credentials | None:
    """Return the credentials of a registry host, or None.

    As in Docker, `credHelpers` of the host comes first, then `credsStore`, then `auths`.

    Args:
        config: Docker's `config.json`; need not exist.
        host: Host name of the registry, with its port.
        runner: Runs a credential helper.

    Raises:
        ConfigError: The file is malformed, or a helper is missing or failed.
    """
    try:
        data = json.loads(config.read_bytes())
        helper = (data.get("credHelpers") or {}).get(host) or data.get("credsStore")
        auths = data.get("auths") or {}
    except FileNotFoundError:
        return None
    except (ValueError, AttributeError, RecursionError) as error:
        raise ConfigError(str(config), [f"malformed: {error}"], hint="log in again: docker login") from error
    found = _from_helper(helper, host, config=config, runner=runner) if helper else None
    return found or _from_auths(auths, host, config)


def _from_helper(helper: str, host: str, *, config: Path, runner: Runner) -> Credentials | None:
    """Run a credential helper: the host goes to its standard input, JSON comes from its standard output."""
    program = f"docker-credential-{helper}"
    try:
        answer = runner([program, "get"], stdin=f"{host}\n", check=False)
    except MissingProgramError as error:
        raise ConfigError(str(config), [f"names {program}, which is not on PATH"], hint=f"install {program}") from error
    if answer.code != 0:
        if _NOT_FOUND in answer.stdout.lower():
            return None
        problem = f"{program} exited with {answer.code}: {answer.stdout.strip() or answer.tail}"
        raise ConfigError(str(config), [problem], hint=f"log in again: docker login {host}")
    try:
        data = json.loads(answer.stdout)
        username, secret = str(data["Username"]), str(data["Secret"])
    except (ValueError, KeyError, TypeError, RecursionError):
        # The output holds a secret: neither it nor the error that quotes it may be shown.
        raise ConfigError(str(config), [f"{program} gave an answer that is no credential"]) from None
    if username == _TOKEN_USER:
        return Credentials(identity_token=secret)
    return Credentials(username=username, password=secret)


def _from_auths(auths: Mapping[str, Any], host: str, config: Path) -> Credentials | None:
    """Return the credentials of a host in `auths`, whose keys are host names or, in old files, URLs."""
    for key, entry in auths.items():
        if _host_of(key) == host and isinstance(entry, dict):
            return _from_entry(entry, host, config)
    return None


def _from_entry(entry: Mapping[str, Any], host: str, config: Path) -> Credentials | None:
    if token := entry.get("identitytoken"):
        return Credentials(identity_token=token)
    if not entry.get("auth"):
        username, password = entry.get("username"), entry.get("password")
        return Credentials(username=username, password=password) if username and password else None
    try:
        username, colon, password = base64.b64decode(entry["auth"], validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError, TypeError):
        colon = ""
        username = password = ""
    if not colon:
        problem = f"auths: the entry of {host} is not a user and password in base64"
        raise ConfigError(str(config), [problem], hint=f"log in again: docker login {host}")
    # Docker strips NUL bytes, too.
    return Credentials(username=username, password=password.rstrip("\0"))


def _host_of(key: str) -> str:
    return key.split("://", 1)[-1].split("/", 1)[0]
