"""What follows a release, with a real Prometheus and a real SMTP server."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from tests.services import monitoring, ports, smtp_sink

from estiba import config
from estiba.errors import TargetError
from estiba.release import watch
from estiba.release.notify import Event, send
from estiba.release.prometheus import Prometheus

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.services.monitoring import Monitoring
    from tests.services.smtp_sink import Sink

    from estiba.deploy.target import Observation
    from estiba.release.verdict import Verdict

GOOD = 'django_http_responses_total_by_status_total{status="200"}'
FAILED = 'django_http_responses_total_by_status_total{status="500"}'
DENIED = 'django_http_responses_total_by_status_total{status="403"}'
RESTARTS = "restarts_total"
LIMIT = 30.0


class Silent:
    """A target that cannot be observed, as where a service's logs are elsewhere."""

    def observe(self, since: datetime) -> Observation:
        """Say that there is nothing."""
        message = f"no logs since {since}"
        raise TargetError(message)


@pytest.fixture
def prometheus(tmp_path: Path) -> Iterator[Monitoring]:
    """Run Prometheus with an exporter."""
    with monitoring.run(tmp_path) as found:
        yield found


def settle(found: Monitoring) -> None:
    """Wait until Prometheus has scraped what the exporter shows now, twice."""
    wanted, deadline = sum(found.samples.values()), time.monotonic() + LIMIT
    for _again in range(2):
        while True:
            now = datetime.now(tz=UTC)
            try:
                seen = Prometheus(url=found.url).count(
                    'sum({job="shop",__name__!~"up|scrape_.+"})', since=now, until=now
                )
            except TargetError:
                seen = -1
            if seen == wanted:
                break
            assert time.monotonic() < deadline, f"{seen} and not {wanted}"
            time.sleep(0.2)
        time.sleep(1.2)


def look(found: Monitoring, since: datetime, **table: object) -> Verdict:
    """Watch for two polls."""
    settings = {"prometheus": found.url, "interval": 1, **table}
    target = Silent()
    return watch.watch(target, settings, minutes=0.02, since=since, on_status=lambda _: None)  # type: ignore[arg-type] # the part that is used


def test_prometheus_tells_good_releases_from_bad_ones(prometheus: Monitoring) -> None:
    """5xx, restarts and more client errors than before are found; a period without requests is not healthy."""
    prometheus.samples |= {GOOD: 10, FAILED: 0, DENIED: 0, RESTARTS: 0}
    settle(prometheus)
    since = datetime.now(tz=UTC)
    queries = {
        "client-errors-query": 'sum(increase(django_http_responses_total_by_status_total{status=~"4.."}[{window}]))',
        "restarts-query": "sum(increase(restarts_total[{window}]))",
    }

    assert look(prometheus, since).reasons == ("no data, which is not healthy: no request was answered",)

    prometheus.samples[GOOD] += 1000
    settle(prometheus)
    healthy = look(prometheus, since, **queries)
    assert (healthy.is_healthy, healthy.reasons) == (True, ())
    assert healthy.observation is not None
    assert healthy.observation.requests >= 900

    prometheus.samples |= {FAILED: 500, DENIED: 3000, RESTARTS: 9}
    settle(prometheus)
    failures, restarts, denied = look(prometheus, since, **queries).reasons
    assert "requests failed with 5xx" in failures
    assert restarts.startswith("processes were restarted ")
    assert "answered with 4xx, after 0.0% in the hour before" in denied


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("sum(increase(nothing[{window}]))", "Prometheus has no data for"),
        ("sum(", "Prometheus refuses 'sum('"),
        ('vector(1) or label_replace(vector(2), "a", "b", "", "")', "Prometheus has 2 values for"),
    ],
)
def test_queries_without_an_answer(prometheus: Monitoring, query: str, problem: str) -> None:
    """A query that gives no value, or several, is one clear error, and no data is not healthy."""
    now = datetime.now(tz=UTC)
    with pytest.raises(TargetError, match=problem.replace("(", r"\(")):
        Prometheus(url=prometheus.url).count(query, since=now - timedelta(minutes=1), until=now)

    (reason,) = look(prometheus, now, **{"requests-query": query}).reasons
    assert problem in reason


@pytest.fixture
def sink(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sink]:
    """Run an SMTP server, whose certificate is trusted."""
    with smtp_sink.run(tmp_path) as found:
        monkeypatch.setenv("SSL_CERT_FILE", str(found.certificate))
        monkeypatch.setenv("MAIL_USER", smtp_sink.USER)
        monkeypatch.setenv("MAIL_PASSWORD", smtp_sink.PASSWORD)
        yield found


def mail(port: int, **table: object) -> tuple[str, ...]:
    """Send an event by mail; return the problems."""
    settings = {
        "host": "localhost",
        "port": port,
        "from": "estiba@example.org",
        "to": ["qa@example.org", "ops@example.org"],
        "username-env": "MAIL_USER",
        "password-env": "MAIL_PASSWORD",
        **table,
    }
    event = Event(
        name="rolled-back",
        service="shop",
        version="1.2",
        target="production",
        text=f"smoke failed, password {smtp_sink.PASSWORD}",
        details={"minutes": "2"},
    )
    return send({"mail": settings}, event, config.load(), sleep=lambda _: None)


def test_mail_arrives_encrypted_and_without_secrets(sink: Sink) -> None:
    """Both recipients get the mail by TLS, after a login; the password is not in it."""
    assert mail(sink.port) == ()

    (kept,) = sink.mails()
    assert (kept["to"], kept["tls"], kept["login"]) == (["qa@example.org", "ops@example.org"], True, True)
    assert "Subject: shop 1.2 on production: rolled-back" in kept["text"]
    assert "smoke failed, password ***" in kept["text"]
    assert "minutes: 2" in kept["text"]


def test_mail_problems_are_said_without_secrets(sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong password, a certificate that nobody trusts, and a server that is away are problems, and no errors."""
    monkeypatch.setenv("MAIL_PASSWORD", "wrong-password")
    assert mail(sink.port) == ("mail by localhost: it answers 535",)

    monkeypatch.setenv("SSL_CERT_FILE", "/dev/null")
    (problem,) = mail(sink.port)
    assert problem.startswith("mail by localhost: its certificate is not trusted: self")

    assert mail(ports.find_free()) == ("mail by localhost: Connection refused, 3 times",)
    assert sink.mails() == []
