"""Typed settings from environment variables, and the refusal of unsafe ones."""

import secrets
from collections.abc import Mapping

from django.core.exceptions import ImproperlyConfigured

KINDS = ("production", "development", "build")
SECRET_LENGTH = 50
SECRET_VARIETY = 5


class Environment:
    """Reads variables, notes what is wrong with each, and raises once with everything, in `check`.

    Outside production, what is missing has a default that works on a developer's machine.
    """

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables
        self._problems: list[str] = []
        self.kind = self.text("ENVIRONMENT", default="production")
        if self.kind not in KINDS:
            self._problems.append(f"ENVIRONMENT is {self.kind!r}, not one of {', '.join(KINDS)}")
        self.is_production = self.kind not in KINDS[1:]

    def text(self, name: str, *, default: str) -> str:
        """Return a variable, or its default where it is unset or empty."""
        return self._variables.get(name) or default

    def flag(self, name: str, *, default: bool) -> bool:
        """Return a variable that is true or false."""
        value = self.text(name, default=str(default)).lower()
        if value not in {"1", "true", "yes", "on", "0", "false", "no", "off"}:
            self._problems.append(f"{name} is {value!r}, not true or false")
        return value in {"1", "true", "yes", "on"}

    def debug(self) -> bool:
        """Return whether pages show tracebacks, which production refuses."""
        debug = self.flag("DEBUG", default=self.kind == "development")
        if debug and self.is_production:
            self._problems.append("DEBUG shows settings and tracebacks to strangers: unset it")
        return debug

    def secret_key(self) -> str:
        """Return the key that signs sessions; outside production a new one for each process."""
        key = self.text("SECRET_KEY", default="" if self.is_production else secrets.token_urlsafe(SECRET_LENGTH))
        if not key:
            self._problems.append("SECRET_KEY is missing")
        elif len(key) < SECRET_LENGTH or len(set(key)) < SECRET_VARIETY or key.startswith("django-insecure-"):
            self._problems.append(f"SECRET_KEY is easy to guess: use {SECRET_LENGTH} random characters or more")
        return key

    def hosts(self, name: str) -> list[str]:
        """Return host names; production needs at least one and no wildcard."""
        hosts = self.origins(name)
        if not hosts and self.is_production:
            self._problems.append(f"{name} is missing: name the hosts this service answers to")
        return hosts if hosts or self.is_production else ["localhost", "127.0.0.1", "[::1]"]

    def origins(self, name: str) -> list[str]:
        """Return what stands between the commas of a variable; production refuses wildcards."""
        values = [value.strip() for value in self.text(name, default="").split(",") if value.strip()]
        if self.is_production and any("*" in value for value in values):
            self._problems.append(f"{name} has a wildcard: name each one")
        return values

    def url(self, name: str, *, default: str) -> str:
        """Return the address of a server; production has no default for it."""
        value = self.text(name, default="" if self.is_production else default)
        if not value:
            self._problems.append(f"{name} is missing")
        return value or default

    def check(self) -> None:
        """Raise one error that lists every problem found so far."""
        if self._problems:
            raise ImproperlyConfigured("unusable environment:" + "".join(f"\n  - {line}" for line in self._problems))
