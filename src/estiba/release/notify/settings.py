"""Settings of notifications: `[tool.estiba.release.notify]` in pyproject.toml."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from estiba.errors import ConfigError, describe_unknown
from estiba.release.notify.event import EVENTS

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMATS: Final = ("json", "slack", "teams")

_WHERE: Final = "pyproject.toml [tool.estiba.release.notify]"
_VARIABLE: Final = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*")
_ADDRESS: Final = re.compile(r"[^\s@<>,]+@[^\s@<>,]+")
_PORTS: Final = range(1, 65536)
_DEFAULTS: Final[Mapping[str, Any]] = {"events": list(EVENTS), "format": "json", "mail": {}, "webhooks": []}
_MAIL: Final[Mapping[str, Any]] = {
    "from": "",
    "host": "",
    "password-env": "",
    "port": 587,
    "starttls": True,
    "to": [],
    "username-env": "",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MailSettings:
    """Settings of mails.

    Attributes:
        host: SMTP server.
        port: TCP port.
        sender: Address of the sender.
        recipients: Addresses of the recipients.
        starttls: Whether to refuse to send without TLS (RFC 3207).
        username: Variable with the user name, or an empty string to send without login.
        password: Variable with the password.
    """

    host: str
    port: int
    sender: str
    recipients: tuple[str, ...]
    starttls: bool
    username: str
    password: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifySettings:
    """Settings of notifications.

    Attributes:
        webhooks: Variables that hold the URLs of webhooks.
        form: One of `FORMATS`, of the webhooks.
        mail: Settings of mails, or None.
        events: Names of the events to tell about.
    """

    webhooks: tuple[str, ...]
    form: str
    mail: MailSettings | None
    events: tuple[str, ...]


def parse(table: Mapping[str, Any]) -> NotifySettings:
    """Parse the table.

    Raises:
        ConfigError: Settings are invalid; the message lists all of them.
    """
    values = {**_DEFAULTS, **table}
    problems = [describe_unknown(key, _DEFAULTS) for key in table if key not in _DEFAULTS]
    if not _are_texts(values["webhooks"]) or not all(map(_VARIABLE.fullmatch, values["webhooks"])):
        # Not quoted: whoever has the URL can post.
        problems.append("'webhooks' must be a list of 'env:NAME', variables with the URLs, which are secrets")
    if values["format"] not in FORMATS:
        problems.append(f"'format' must be one of {', '.join(FORMATS)}, not {values['format']!r}")
    if not _are_texts(values["events"]) or set(values["events"]) - set(EVENTS):
        problems.append(f"'events' must be a list of {', '.join(EVENTS)}, not {values['events']!r}")
    if not isinstance(values["mail"], dict):
        problems.append(f"'mail' must be a table, not {values['mail']!r}")
    elif values["mail"]:
        problems += _check_mail(values["mail"])
    if problems:
        raise ConfigError(_WHERE, problems)
    return NotifySettings(
        webhooks=tuple(name.removeprefix("env:") for name in values["webhooks"]),
        form=values["format"],
        mail=_parse_mail({**_MAIL, **values["mail"]}) if values["mail"] else None,
        events=tuple(values["events"]),
    )


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _check_mail(table: Mapping[str, Any]) -> list[str]:
    values = {**_MAIL, **table}
    wrong = [key for key in _MAIL if type(values[key]) is not type(_MAIL[key])]
    problems = [f"mail: {describe_unknown(key, _MAIL)}" for key in table if key not in _MAIL]
    problems += [f"mail: {key!r} must be of another type than {values[key]!r}" for key in wrong]
    if wrong:
        return problems
    addresses = [values["from"], *values["to"]]
    if not values["to"] or not all(isinstance(one, str) and _ADDRESS.fullmatch(one) for one in addresses):
        problems.append("mail: 'from' must be an address, and 'to' a list of at least one")
    if not values["host"] or values["port"] not in _PORTS:
        problems.append("mail: 'host' must be a name and 'port' a number from 1 to 65535")
    if bool(values["username-env"]) != bool(values["password-env"]):
        problems.append("mail: 'username-env' and 'password-env' come together")
    if values["password-env"] and not values["starttls"]:
        problems.append("mail: a password is only sent with 'starttls'")
    return problems


def _parse_mail(values: Mapping[str, Any]) -> MailSettings:
    return MailSettings(
        host=values["host"],
        port=values["port"],
        sender=values["from"],
        recipients=tuple(values["to"]),
        starttls=values["starttls"],
        username=values["username-env"],
        password=values["password-env"],
    )
