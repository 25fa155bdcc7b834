"""Watch over a release: its target and Prometheus are asked again and again, and no data is not healthy."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from estiba.deploy.target import Observation
from estiba.errors import ConfigError, TargetError, describe_unknown
from estiba.release.prometheus import Prometheus
from estiba.release.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from estiba.deploy.target import Target

_WHERE: Final = "pyproject.toml [tool.estiba.release.watch]"
_RESPONSES: Final = "django_http_responses_total_by_status_total"
_DEFAULTS: Final[Mapping[str, Any]] = {
    "client-error-rise": 0.1,
    "client-errors-query": "",
    "error-ratio": 0.01,
    "exceptions": 5,
    "failures-query": f'sum(increase({_RESPONSES}{{status=~"5.."}}[{{window}}])) or vector(0)',
    "interval": 30,
    "prometheus": "",
    "requests-query": f"sum(increase({_RESPONSES}[{{window}}]))",
    "restarts": 3,
    "restarts-query": "",
}
_LEAST: Final[Mapping[str, float]] = {"exceptions": 1, "interval": 1, "restarts": 1}
_REPEATED: Final = 2
"""Number of polls in a row that have to be beyond a threshold."""

_HOUR: Final = timedelta(hours=1)


def parse(table: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of watches with their defaults.

    Raises:
        ConfigError: Settings are invalid; the message lists all of them.
    """
    values = {**_DEFAULTS, **table}
    problems = [describe_unknown(key, _DEFAULTS) for key in table if key not in _DEFAULTS]
    for key, default in _DEFAULTS.items():
        value = values[key]
        if isinstance(default, str) != isinstance(value, str) or isinstance(value, bool | list | dict):
            problems.append(f"{key!r} must be {'a string' if isinstance(default, str) else 'a number'}, not {value!r}")
        # Not a number (NaN) is above nothing, and nothing is above it.
        elif not isinstance(value, str) and not value >= _LEAST.get(key, 0):
            problems.append(f"{key!r} must be at least {_LEAST.get(key, 0)}, not {value!r}")
    if problems:
        raise ConfigError(_WHERE, problems)
    return values


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sources:
    """What is asked about a release.

    Attributes:
        target: The target, for its logs and processes.
        settings: Settings of watches.
        since: Start of the period.
    """

    target: Target
    settings: Mapping[str, Any]
    since: datetime

    def observe(self, until: datetime) -> tuple[Observation | None, tuple[str, ...], list[str]]:
        """Return what was seen, what is beyond a threshold without being in it, and what could not be asked."""
        problems: list[str] = []
        seen = self._ask_target(problems)
        if not self.settings["prometheus"]:
            return seen, (), problems
        server = Prometheus(url=self.settings["prometheus"])

        def count(name: str, end: datetime = until, start: datetime = self.since) -> int:
            query = self.settings[f"{name}-query"]
            return round(server.count(query, since=start, until=end)) if query else 0

        try:
            requests = count("requests")
            measured = Observation(
                requests=requests,
                failures=count("failures"),
                restarts=max(count("restarts"), seen.restarts if seen else 0),
                exceptions=seen.exceptions if seen else {},
            )
            return measured, self._judge_clients(count, requests), []
        except TargetError as error:
            problems.append(error.message)
            return seen, (), problems

    def _ask_target(self, problems: list[str]) -> Observation | None:
        try:
            return self.target.observe(self.since)
        except TargetError as error:
            problems.append(error.message)
            return None

    def _judge_clients(self, count: Callable[..., int], requests: int) -> tuple[str, ...]:
        """Compare the share of client errors with that of the hour before the release."""
        if not self.settings["client-errors-query"] or not requests:
            return ()
        start = self.since - _HOUR
        before = count("requests", self.since, start)
        share = count("client-errors") / requests
        usual = count("client-errors", self.since, start) / before if before else 0.0
        if share - usual <= self.settings["client-error-rise"]:
            return ()
        return (f"{share:.1%} of the requests are answered with 4xx, after {usual:.1%} in the hour before",)


def watch(
    target: Target,
    table: Mapping[str, Any],
    *,
    minutes: float,
    since: datetime,
    on_status: Callable[[str], None],
    clock: Callable[[], datetime] = lambda: datetime.now(tz=UTC),
    sleep: Callable[[float], None] = time.sleep,
) -> Verdict:
    """Watch a release until its time is over, or until it is beyond a threshold in two polls in a row.

    Args:
        target: Target that serves the release.
        table: Table `[tool.estiba.release.watch]`.
        minutes: Length of the watch from now on.
        since: Start of the release, with a time zone.
        on_status: Callback for progress; called with one line of text per poll.
        clock: Returns the current time, with a time zone.
        sleep: Waits for a number of seconds.

    Raises:
        ConfigError: Settings are invalid.
        KeyboardInterrupt: The watch was interrupted; the text says until when it watched.
    """
    settings = parse(table)
    sources = _Sources(target=target, settings=settings, since=since)
    end, beyond, now = clock() + timedelta(minutes=minutes), 0, clock()
    try:
        while True:
            now = clock()
            seen, more, problems = sources.observe(now)
            reasons = (*_judge(seen, settings), *more) if seen else ()
            beyond = beyond + 1 if reasons else 0
            on_status(_describe(seen, [*reasons, *problems], end - now))
            if beyond >= _REPEATED or now >= end:
                break
            sleep(min(settings["interval"], max((end - now).total_seconds(), 0)))
    except KeyboardInterrupt:
        msg = f"interrupted; the release was watched until {now.isoformat(timespec='seconds')}, and no verdict is given"
        raise KeyboardInterrupt(msg) from None
    missing = _find_missing(seen, problems)
    reasons = (*reasons, *missing)
    return Verdict(
        is_healthy=not reasons,
        reasons=reasons,
        until=now,
        notes=() if missing else tuple(problems),
        observation=seen,
    )


def _judge(seen: Observation, settings: Mapping[str, Any]) -> list[str]:
    reasons = []
    if seen.failures and seen.failures > settings["error-ratio"] * seen.requests:
        reasons.append(f"{seen.failures} of {seen.requests} requests failed with 5xx")
    if seen.restarts >= settings["restarts"]:
        reasons.append(f"processes were restarted {seen.restarts} times")
    often = {name: count for name, count in seen.exceptions.items() if count >= settings["exceptions"]}
    reasons += [f"{count} times {name}" for name, count in sorted(often.items())]
    return reasons


def _find_missing(seen: Observation | None, problems: list[str]) -> tuple[str, ...]:
    """Return why there is nothing to base a verdict on; a service that nobody asked may as well be broken."""
    if seen is None:
        return (f"no data, which is not healthy: {'; '.join(problems)}",)
    return () if seen.requests else ("no data, which is not healthy: no request was answered",)


def _describe(seen: Observation | None, reasons: list[str], left: timedelta) -> str:
    numbers = f"{seen.requests} requests, {seen.failures} failed, {seen.restarts} restarts" if seen else "no data"
    minutes = max(left.total_seconds() / 60, 0)
    return "; ".join([f"{numbers}, {minutes:.0f} min left", *reasons])
