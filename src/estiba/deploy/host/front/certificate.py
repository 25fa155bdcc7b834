"""Certificates as OpenSSL sees them: whether a key fits, until when they are valid, and for which hosts."""

from __future__ import annotations

import contextlib
import ssl
import stat
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from estiba.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_HINT: Final = "have the files renewed, or set tls = 'acme'"
_TURNS: Final = 8
_CAUSES: Final = {9: "is not valid yet", 10: "has expired", 62: "is not for this host", 64: "is not for this host"}
"""Results of a verification by their number (X509_STORE_CTX_get_error(3))."""


def check(certificate: Path, key: Path, hosts: Iterable[str]) -> None:
    """Check that visitors of all hosts get a valid certificate with these files.

    Args:
        certificate: File with the certificate and those of its authorities, in PEM.
        key: File with its private key, in PEM.
        hosts: Names of hosts.

    Raises:
        ConfigError: They do not; the error lists all problems.
    """
    problems = [problem for path in (certificate, key) for problem in _check_file(path)]
    if not problems and key.stat().st_mode & stat.S_IRWXO:
        problems = [f"{key} is a private key that every user of this machine may read; run: chmod o= {key}"]
    problems = problems or _check_pair(certificate, key)
    if not problems:
        found = {host: problem for host in hosts if (problem := _greet(certificate, key, host))}
        problems = [f"{certificate} {problem}: {host}" for host, problem in found.items()]
    if problems:
        where = "the certificate of tls"
        raise ConfigError(where, problems, hint=_HINT)


def check_authority(path: Path) -> None:
    """Check that an authority can be recognised by the certificates in a file.

    Raises:
        ConfigError: There are none.
    """
    problems = _check_file(path)
    if not problems:
        try:
            trusting(path)
        except ssl.SSLError as error:
            problems = [f"{path} has no certificate in PEM: {error.reason or error}"]
    if problems:
        where = "the authority's certificate, ca of acme"
        raise ConfigError(
            where, problems, hint="name the file that it is in, or leave ca out for the usual authorities"
        )


def trusting(certificate: Path) -> ssl.SSLContext:
    """Return a client that trusts the certificates of a file, whoever has issued them.

    Raises:
        OSError: The file cannot be read, or has none.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(certificate)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def read_end(peer: dict[str, Any]) -> datetime:
    """Return until when a certificate is valid, as `ssl.SSLSocket.getpeercert` describes it."""
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(peer["notAfter"]), tz=UTC)


def explain(error: OSError) -> str:
    """Return what a failed TLS handshake says of the certificate."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"has a certificate that {_CAUSES.get(error.verify_code, f'is not accepted: {error.verify_message}')}"
    return f"does not answer: {error.strerror or error}"


def _check_file(path: Path) -> list[str]:
    try:
        if path.exists() and not path.is_file():
            return [f"{path} is no regular file"]
        with path.open("rb") as file:
            file.read(1)
    except OSError as error:
        return [f"{path} cannot be read: {error.strerror}"]
    return []


def _check_pair(certificate: Path, key: Path) -> list[str]:
    try:
        _serving(certificate, key)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            return [f"{key} is not the key of {certificate}"]
        return [f"{certificate} and {key} are no certificate and unencrypted key in PEM: {error.reason or error}"]
    return []


def _serving(certificate: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # Without it OpenSSL asks for the password of an encrypted key on the terminal.
    context.load_cert_chain(certificate, key, password=lambda: b"")
    return context


def _greet(certificate: Path, key: Path, host: str) -> str:
    """Return what a client finds wrong in a handshake in memory, or an empty string."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = trusting(certificate).wrap_bio(to_client, to_server, server_hostname=host)
    server = _serving(certificate, key).wrap_bio(to_server, to_client, server_side=True)
    try:
        for _ in range(_TURNS):
            with contextlib.suppress(ssl.SSLWantReadError):
                client.do_handshake()
                return ""
            with contextlib.suppress(ssl.SSLWantReadError):
                server.do_handshake()
    except ssl.SSLCertVerificationError as error:
        return _CAUSES.get(error.verify_code, f"is not accepted: {error.verify_message}")
    except ssl.SSLError as error:
        # Such as for a key of a kind that no browser takes.
        return f"is not accepted: {error.reason or error}"
    return "is not accepted"
