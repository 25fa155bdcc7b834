"""The extras of the template: each does its work with what its lock has, and what is off is not in the image."""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path

from tests.services.harbour import FLAKE, invoke

from estiba.scaffold.new import create

FIXTURES = Path(__file__).parents[2] / "fixtures" / "extras"
SWITCHES = {"boto3", "mozilla-django-oidc", "newrelic", "opentelemetry-sdk", "sentry-sdk"}


def locked(service: Path) -> set[str]:
    """Return the names of the distributions in a service's image."""
    lines = (service / "requirements-lock.txt").read_text().splitlines()
    return {line.partition("==")[0] for line in lines if "==" in line and not line.startswith(" ")}


def test_what_is_off_is_not_in_the_image(template: Path) -> None:
    """As it comes, the template has the import of workbooks and no other extra."""
    assert "openpyxl" in locked(template)
    assert locked(template) & SWITCHES == set()


def test_every_extra_works(tmp_path: Path) -> None:
    """With all of them the service's own tests pass, and faults, traces, uploads and logins go where they are told.

    So does TimescaleDB: one of the service's tests finds its hypertable.
    """
    service = create(tmp_path / "harbour", flake=FLAKE)
    pyproject = service / "pyproject.toml"
    names = list(tomllib.loads(pyproject.read_text())["project"]["optional-dependencies"])
    settings = 'platforms = ["x86_64-linux"]\npostgresql = { packages = ["postgresql-17-timescaledb"] }\n'
    text = pyproject.read_text().replace('extras = ["excel"]', f"{settings}extras = {names}")
    pyproject.write_text(text.replace('ENVIRONMENT = "build"', 'ENVIRONMENT = "build"\nTIMESCALEDB = "true"'))
    for file in FIXTURES.glob("*.py"):
        shutil.copy(file, service / "tests")
    for command in ("lock", "fetch"):
        invoke(service, command)

    invoke(service, "check")

    assert locked(service) >= SWITCHES
