"""Sending of notifications, which never fails a release: what goes wrong is returned as text, without secrets."""

from __future__ import annotations

import smtplib
import ssl
import time
from email.message import EmailMessage
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import requests

from estiba.errors import ConfigError
from estiba.publish.connection import describe_failure
from estiba.redaction import find_secrets
from estiba.release.notify import settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from estiba.config import Config
    from estiba.release.notify.event import Event
    from estiba.release.notify.settings import MailSettings

_ATTEMPTS: Final = 3
_PAUSE: Final = 1.0
"""Seconds before the second attempt; doubled for the third."""

_TIMEOUT: Final = 10.0
"""Seconds for the connection, and for each answer."""

_OK: Final = range(200, 300)
_BUSY: Final = frozenset({408, 429, *range(500, 600)})
_TRANSIENT: Final = range(400, 500)
"""Codes of SMTP that ask to try again later (RFC 5321, 4.2.1)."""


class _TryAgainError(Exception):
    """A failure that may pass; its text says what failed."""


def send(
    table: Mapping[str, Any], event: Event, config: Config, *, sleep: Callable[[float], None] = time.sleep
) -> tuple[str, ...]:
    """Send an event to all webhooks and by mail; return what could not be sent, one sentence each.

    Proxies are those of the environment (`HTTPS_PROXY`, `NO_PROXY`).

    Args:
        table: Table `[tool.estiba.release.notify]`.
        event: The event. Secrets in its texts are redacted.
        config: Settings from the environment, with the variables that hold URLs and passwords.
        sleep: Waits for a number of seconds.
    """
    try:
        chosen = settings.parse(table)
    except ConfigError as error:
        return (f"nobody was notified: {error.message}",)
    if event.name not in chosen.events:
        return ()
    urls = {name: config.variables.get(name, "") for name in chosen.webhooks}
    safe = event.redact({*find_secrets(config.variables), *urls.values()})
    body = {"json": safe.to_json, "slack": safe.to_slack, "teams": safe.to_teams}[chosen.form]()
    problems = [f"webhook {name}: {_attempt(partial(_post, url, body), sleep)}" for name, url in urls.items()]
    if mail := chosen.mail:
        problems.append(f"mail by {mail.host}: {_attempt(partial(_mail, mail, safe, config.variables), sleep)}")
    return tuple(problem for problem in problems if not problem.endswith(": "))


def _attempt(action: Callable[[], str], sleep: Callable[[float], None]) -> str:
    """Run an action until it does not ask to try again, and return its problem, or an empty string."""
    problem = ""
    for attempt in range(_ATTEMPTS):
        try:
            return action()
        except _TryAgainError as error:
            problem = str(error)
        except UnicodeError:
            # Of a name, or a password, which must not be quoted.
            return (
                "its name, or the user or the password for it, has other characters than ASCII, or a name is too long"
            )
        if attempt + 1 < _ATTEMPTS:
            sleep(_PAUSE * 2**attempt)
    return f"{problem}, {_ATTEMPTS} times"


def _post(url: str, body: Mapping[str, Any]) -> str:
    if not url.startswith(("https://", "http://")):
        return "the variable is unset, or holds no URL"
    try:
        # A redirect would take the message to where nobody sent it.
        # Of the answer only the status is read.
        with requests.post(url, json=body, timeout=_TIMEOUT, allow_redirects=False, stream=True) as answer:
            status = answer.status_code
    except (requests.ConnectionError, requests.Timeout) as error:
        raise _TryAgainError(describe_failure(error)) from None  # the cause quotes the URL, which is a secret
    except (requests.RequestException, ValueError):
        return "the variable holds no URL that can be used"
    if status in _BUSY:
        message = f"it answers {status}"
        raise _TryAgainError(message)
    return "" if status in _OK else f"it answers {status}"


def _mail(mail: MailSettings, event: Event, variables: Mapping[str, str]) -> str:
    message = EmailMessage()
    message["Subject"] = event.subject
    message["From"] = mail.sender
    message["To"] = ", ".join(mail.recipients)
    message.set_content(event.to_text())
    try:
        with smtplib.SMTP(mail.host, mail.port, timeout=_TIMEOUT) as server:
            if mail.starttls:
                server.starttls(context=ssl.create_default_context())
            if mail.username:
                server.login(variables.get(mail.username, ""), variables.get(mail.password, ""))
            refused = server.send_message(message)
    except smtplib.SMTPResponseException as error:
        return _judge(error)
    except smtplib.SMTPNotSupportedError as error:
        return str(error)
    except smtplib.SMTPRecipientsRefused:
        return "it refused all recipients"
    except ssl.SSLCertVerificationError as error:
        return f"its certificate is not trusted: {error.verify_message}"
    except (OSError, smtplib.SMTPException) as error:
        raise _TryAgainError(describe_failure(error)) from error
    return f"it refused {', '.join(sorted(refused))}" if refused else ""


def _judge(error: smtplib.SMTPResponseException) -> str:
    # Without the server's text, which may quote what was sent.
    message = f"it answers {error.smtp_code}"
    if error.smtp_code in _TRANSIENT:
        raise _TryAgainError(message) from error
    return message
