"""The answers to probes."""

import re

import pytest
from django.db import NotSupportedError, connection
from django.test import Client

from config.logs import RELEASE


@pytest.fixture
def probe() -> Client:
    """Return a probe: plain HTTP, by address instead of name."""
    return Client(headers={"host": "192.0.2.7:8000"})


def test_living_process_says_so(probe: Client) -> None:
    """/livez asks neither database nor cache."""
    assert probe.get("/livez").status_code == 200


@pytest.mark.django_db
def test_ready_process_names_what_it_asked(probe: Client) -> None:
    """/readyz asks database and cache."""
    answer = probe.get("/readyz")

    assert (answer.status_code, answer.json()) == (200, {"database": "ok", "cache": "ok"})


def test_old_database_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL has to be 14 or later, which the first connection of a process looks at."""
    monkeypatch.setattr(connection, "get_database_version", lambda: (13, 21))

    with pytest.raises(NotSupportedError, match="PostgreSQL 14 or later is required"):
        connection.check_database_version_supported()


@pytest.mark.django_db
def test_lost_cache_is_not_ready(probe: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a cache the process lives and is not ready."""
    monkeypatch.setattr("{{ cookiecutter.project_slug }}.health._ask_cache", lambda: 1 / 0)

    answer = probe.get("/readyz")

    assert (answer.status_code, answer.json()) == (503, {"database": "ok", "cache": "failed"})


@pytest.mark.django_db
def test_metrics_are_for_prometheus(probe: Client) -> None:
    """The process tells who asks it, and no stranger who comes through a proxy."""
    Client(headers={"x-forwarded-proto": "https"}).get("/")

    page = probe.get("/metrics")
    assert 'django_http_responses_total_by_status_total{status="200"}' in page.text
    timed = r"^django_http_requests_latency_including_middlewares_seconds_count [1-9]"
    assert re.search(timed, page.text, re.MULTILINE)
    assert 'service_release{release="' + RELEASE + '"} 1.0' in page.text
    assert probe.get("/metrics", headers={"x-forwarded-for": "192.0.2.9"}).status_code != 200
