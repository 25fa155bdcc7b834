"""Settings of a `host` target: `[tool.estiba.targets.NAME]` in pyproject.toml."""

from __future__ import annotations

import ipaddress
import itertools
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from estiba.deploy.host.front import tls
from estiba.deploy.host.servers import ports, published
from estiba.errors import ConfigError, describe_unknown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from estiba.deploy.host.front.tls import Tls
    from estiba.deploy.host.servers.published import Published
    from estiba.service.processes import Process

_NAMES: Final[tuple[type, str]] = (list, "a list of strings")
_NUMBER: Final[tuple[type, str]] = (int, "a whole number above 0")
_TEXT: Final[tuple[type, str]] = (str, "a string")
_LOOPBACK: Final = "127.0.0.1"
_KEYS: Final[Mapping[str, tuple[type, str]]] = {
    "acme": (dict, "a table of strings"),
    "address": _TEXT,
    "env": (dict, "a table of strings"),
    "env-file": _TEXT,
    "extensions": _NAMES,
    "folder": _TEXT,
    "hosts": _NAMES,
    "http-port": _NUMBER,
    "https-port": _NUMBER,
    "internal": (dict, "a table of strings"),
    "keep": _NUMBER,
    "memory": _TEXT,
    "migrate-limit": _NUMBER,
    "port": _NUMBER,
    "published": (dict, "a table of tables"),
    "ready": _TEXT,
    "ready-limit": _NUMBER,
    "redis-port": _NUMBER,
    "request-buffering": (bool, "true or false"),
    "request-limit": _NUMBER,
    "smoke": _NAMES,
    "tls": (object, ""),
    "trusted-proxies": _NAMES,
    "upload-limit": _TEXT,
}
_EXTENSION: Final = re.compile(r"[A-Za-z0-9_-]+")
_ADDRESS: Final = re.compile(r"(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+/")
_MEMORY: Final = re.compile(r"(\d+)\s*(MB|GB)")
_UNITS: Final = {"MB": 2**20, "GB": 2**30}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings of a `host` target, with defaults filled in.

    Attributes:
        name: Name of the target.
        folder: State folder: database, uploads, logs, revisions.
        address: IP address that nginx listens on.
        port: TCP port that nginx listens on; 0 chooses a free one once and keeps it.
        hosts: Host names that the service answers to.
        env: Environment variables of the service.
        env_file: File of `NAME=value` lines with further variables, such as secrets; None for none.
        extensions: PostgreSQL extensions to create as superuser before the migrations.
        internal: Folders of `persist`, as places in the service's root file system, by the addresses at which nginx
            sends files of them where the service says so.
        keep: Number of releases to keep, the served one included.
        memory: Memory in bytes that PostgreSQL's settings are computed from; 0 for all of the machine's.
        migrate_limit: Time limit of all migrations, in seconds.
        published: Addresses whose files in folders of `persist` nginx sends without the service.
        ready: Path of the readiness check.
        ready_limit: Seconds until a release has to be ready after its start.
        redis_port: TCP port that Redis listens on at the loopback address, besides its Unix socket; 0 for none.
        has_celery: Whether Redis needs such a port in any case: Celery knows no Unix socket by the URL of Redis's own
            clients. Without `redis_port` a free one is chosen once and kept.
        request_buffering: Whether nginx passes a request on when it has all of its body.
        request_limit: Seconds that nginx waits for the service between two parts of an answer.
        smoke: Paths that the smoke tests request.
        tls: Settings of TLS, or None; with it nginx of the target listens on the loopback address for the front alone.
        trusted_proxies: IP addresses and networks whose word on a client's address and protocol counts.
        upload_limit: Largest body of a request, in bytes.
    """

    name: str
    folder: Path
    address: str
    port: int
    hosts: tuple[str, ...]
    env: Mapping[str, str]
    env_file: Path | None
    extensions: tuple[str, ...]
    internal: Mapping[str, str]
    keep: int
    memory: int
    migrate_limit: int
    published: tuple[Published, ...]
    ready: str
    ready_limit: int
    redis_port: int
    has_celery: bool
    request_buffering: bool
    request_limit: int
    smoke: tuple[str, ...]
    tls: Tls | None
    trusted_proxies: tuple[str, ...]
    upload_limit: int


def parse(
    name: str, table: Mapping[str, Any], *, folder: Path, state: Path, processes: Sequence[Process] = ()
) -> Settings:
    """Parse the settings of a target.

    Args:
        name: Name of the target.
        table: Table `[tool.estiba.targets.NAME]`, without `kind`.
        folder: Folder of the service, which relative paths start from.
        state: Parent of the default state folder.
        processes: Processes of the service, as far as it names them.

    Raises:
        ConfigError: The settings are invalid; the error lists all problems.
    """
    problems = [describe_unknown(key, _KEYS) for key in table if key not in _KEYS]
    problems += [problem for key, value in table.items() if key in _KEYS for problem in _check(key, value)]
    problems = problems or [*tls.check(table), *_find_shared_ports(table)]
    if problems:
        where = f"pyproject.toml [tool.estiba.targets.{name}]"
        raise ConfigError(where, problems)
    found = tls.parse(table, folder)
    return Settings(
        name=name,
        folder=(folder / Path(table.get("folder", state / name)).expanduser()).resolve(),
        address=_LOOPBACK if found else table.get("address", _LOOPBACK),
        port=table.get("port", 0),
        hosts=tuple(table.get("hosts", ("localhost", "127.0.0.1", "[::1]"))),
        env=dict(table.get("env", {})),
        env_file=(folder / Path(table["env-file"]).expanduser()).resolve() if "env-file" in table else None,
        extensions=tuple(table.get("extensions", ())),
        internal={where: str(PurePosixPath("/app", what)) for where, what in table.get("internal", {}).items()},
        keep=table.get("keep", 5),
        memory=_parse_memory(table.get("memory", "")),
        migrate_limit=table.get("migrate-limit", 300),
        published=published.parse(table.get("published", {})),
        ready=table.get("ready") or next((one.ready for one in processes if one.ready), "/readyz"),
        ready_limit=table.get("ready-limit", 60),
        redis_port=table.get("redis-port", 0),
        has_celery=any(one.command[:1] == ("celery",) for one in processes),
        request_buffering=table.get("request-buffering", True),
        request_limit=table.get("request-limit", 60),
        smoke=tuple(table.get("smoke", ("/",))),
        tls=found,
        trusted_proxies=(_LOOPBACK,) if found else tuple(table.get("trusted-proxies", ())),
        upload_limit=_parse_memory(table.get("upload-limit", "100MB")),
    )


def _check(key: str, value: object) -> list[str]:
    if key == "tls":
        return tls.check_kind(value)
    if key == "published" and isinstance(value, dict):
        return published.check(value)
    kind, wanted = _KEYS[key]
    entries = value if isinstance(value, list) else list(value.values()) if isinstance(value, dict) else []
    if type(value) is not kind or not all(isinstance(entry, str) for entry in entries):
        return [f"{key!r} must be {wanted}, not {value!r}"]
    if type(value) is int and value < 1:
        return [f"{key!r} must be {wanted}, not {value}"]
    return _check_internal(value) if key == "internal" else _check_value(key, value)


def _check_internal(value: Any) -> list[str]:  # noqa: ANN401 - a table of strings
    """Return what is wrong with addresses and folders, which become text of nginx's configuration."""
    found = [
        f"'internal' has {where!r}, not an address that starts and ends with /, such as '/internal/'"
        for where in value
        if not _ADDRESS.fullmatch(where)
    ]
    found += [
        f"'internal' has {folder!r}, not a folder such as 'data' or '/var/lib/site'"
        for folder in value.values()
        if not published.FOLDER.fullmatch(folder)
    ]
    return found


def _check_value(key: str, value: Any) -> list[str]:  # noqa: ANN401 - of the type that the key has
    match key:
        case "http-port" | "https-port" | "port" | "redis-port" if value > ports.LAST:
            return [f"{key!r} is {value}, above {ports.LAST}"]
        case "memory" | "upload-limit" if not _MEMORY.fullmatch(value):
            return [f"{key!r} is {value!r}, not a number with MB or GB, such as '2GB'"]
        case "ready" if not value.startswith("/"):
            return [f"'ready' is {value!r}, not a path that starts with /"]
        case "smoke" if wrong := [path for path in value if not path.startswith("/")]:
            return [f"'smoke' has {wrong[0]!r}, not a path that starts with /"]
        case "trusted-proxies" if wrong := [name for name in value if not is_network(name)]:
            return [f"'trusted-proxies' has {wrong[0]!r}, not an IP address or a network such as '10.0.0.0/8'"]
        case "extensions" if wrong := [name for name in value if not _EXTENSION.fullmatch(name)]:
            return [f"'extensions' has {wrong[0]!r}, not a name of letters, digits, _ and -"]
        case "hosts" if not value:
            return ["'hosts' must name at least one"]
        case _:
            return []


def _find_shared_ports(table: Mapping[str, Any]) -> list[str]:
    defaults = {"port": 0, "redis-port": 0, **(tls.PORTS if table.get("tls") else {})}
    found = {key: table.get(key, default) for key, default in defaults.items()}
    pairs = itertools.combinations(found, 2)
    return [f"{one!r} and {other!r} are both {found[one]}" for one, other in pairs if found[one] == found[other] != 0]


def is_network(text: str) -> bool:
    """Return whether nginx takes a text for a network, which has neither a zone of IPv6 nor a mask with dots."""
    try:
        ipaddress.ip_network(text)
    except ValueError:
        return False
    _, has_length, length = text.partition("/")
    return "%" not in text and (not has_length or length.isdecimal())


def _parse_memory(text: str) -> int:
    found = _MEMORY.fullmatch(text)
    return int(found[1]) * _UNITS[found[2]] if found else 0
