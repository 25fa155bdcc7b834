"""Environment variables of a service on a `host` target."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from estiba.errors import ConfigError
from estiba.service import variables

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from estiba.deploy.host.closure import HostClosure
    from estiba.deploy.host.settings import Settings
    from estiba.deploy.host.state.folder import StateFolder

REDIS_ADDRESS: Final = "127.0.0.1"
REDIS_PASSWORD: Final = "REDIS_PASSWORD"  # noqa: S105 - its name
"""Variable with the password of Redis, which it needs once it has a port that every local user can connect to."""

_LINE: Final = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)")
_REFERENCE: Final = re.compile(r"(?<!\{)\{([A-Z][A-Z0-9_]*)\}(?!\})")
_ESCAPED: Final = re.compile(r"\{\{([A-Z][A-Z0-9_]*)\}\}")
_QUOTED: Final = re.compile(r"(['\"])(.*)\1")


def build(settings: Settings, folder: StateFolder, closure: HostClosure, port: int) -> dict[str, str]:
    """Return the whole environment of the service.

    In increasing precedence: the image's variables, those of the target's servers, `env-file`, `env`.

    Raises:
        ConfigError: `env-file` is invalid.
    """
    return _assemble(settings, closure, port, folder.secret)


def names(settings: Settings, closure: HostClosure | None) -> frozenset[str]:
    """Return the names of the variables that `build` sets, without creating a secret.

    Args:
        settings: Settings of the target.
        closure: Host closure of the release, or None for the variables that the target alone sets.

    Raises:
        ConfigError: `env-file` is invalid.
    """
    return frozenset(_assemble(settings, closure, 0, lambda _: ""))


def _assemble(
    settings: Settings, closure: HostClosure | None, port: int, secret: Callable[[str], str]
) -> dict[str, str]:
    # Without `tls`, HTTPS origins are for a proxy in front of this machine that ends TLS on the default port.
    origins = (
        [settings.tls.origin(host) for host in settings.hosts]
        if settings.tls
        else [f"http://{host}:{port}" for host in settings.hosts] + [f"https://{host}" for host in settings.hosts]
    )
    media = closure.media if closure else ""
    own = (",".join(settings.hosts), ",".join(origins), media, secret("SECRET_KEY"))
    provided = {
        **(closure.env if closure else {}),
        **variables.servers(),
        **(_redis(settings.redis_port, secret(REDIS_PASSWORD)) if settings.redis_port or settings.has_celery else {}),
        **{
            f"{prefix}{name}": value
            for prefix in variables.PREFIXES
            for name, value in zip(variables.OWN, own, strict=True)
        },
        # The deployment has waited for the database already; without a check of its own each start is 0.5 s faster.
        "DB_WAIT_TIMEOUT": "0",
        # nginx speaks plain HTTP here, so a redirect would loop; whoever ends TLS redirects by itself.
        "SSL_REDIRECT": "false",
        **(load(settings.env_file) if settings.env_file else {}),
    }
    return {**provided, **_refer(settings, provided)}


def _refer(settings: Settings, provided: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of `env`, with the values of those that their values refer to as `{NAME}`.

    Raises:
        ConfigError: There is no variable of that name.
    """
    problems = [
        f"{name} refers to {{{found[1]}}}, which the target does not provide"
        for name, value in settings.env.items()
        for found in _REFERENCE.finditer(value)
        if found[1] not in provided
    ]
    if problems:
        where = f"pyproject.toml [tool.estiba.targets.{settings.name}.env]"
        raise ConfigError(where, problems, hint="write {{NAME}} for a name in braces that is no reference")
    return {
        name: _ESCAPED.sub(r"{\1}", _REFERENCE.sub(lambda found: provided[found[1]], value))
        for name, value in settings.env.items()
    }


def _redis(port: int, password: str) -> Mapping[str, str]:
    return {
        REDIS_PASSWORD: password,
        "REDIS_HOST": REDIS_ADDRESS,
        "REDIS_PORT": str(port),
        "REDIS_URL": f"redis://:{password}@{REDIS_ADDRESS}:{port}/0",
    }


def load(path: Path) -> dict[str, str]:
    """Parse a file of `NAME=value` lines; empty lines and those that start with `#` are ignored.

    Quotes around a value are removed, and `export` before a name is ignored; nothing is expanded.

    Raises:
        ConfigError: The file cannot be read, or has other lines; the error lists all of them.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise ConfigError(str(path), [f"cannot be read: {error.strerror}"]) from error
    found, problems = {}, []
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if match := _LINE.fullmatch(text):
            quoted = _QUOTED.fullmatch(match[2])
            found[match[1]] = quoted[2] if quoted else match[2]
        elif text and not text.startswith("#"):
            problems.append(f"line {number} is not NAME=value")
    if problems:
        raise ConfigError(str(path), problems)
    return found
