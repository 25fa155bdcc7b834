"""Watches with a clock of the test's own: verdicts, early ones, and none without data."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from estiba.deploy.target import Observation
from estiba.errors import ConfigError, TargetError
from estiba.release import watch
from estiba.release.verdict import Verdict

START = datetime(2026, 3, 4, 5, 0, tzinfo=UTC)
GOOD = Observation(requests=1000, failures=2, restarts=0)
BAD = Observation(requests=1000, failures=200, restarts=0)


class Watched:
    """The part of a target that is watched, and the clock; answers in turn, the last one again and again."""

    def __init__(self, *answers: Observation | BaseException) -> None:
        self.answers = [*answers]
        self.now = START
        self.said: list[str] = []

    def observe(self, since: datetime) -> Observation:
        """Give the next answer."""
        assert since == START
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def sleep(self, seconds: float) -> None:
        """Move the clock."""
        self.now += timedelta(seconds=seconds)

    def watch(self, minutes: float = 60, **table: object) -> Verdict:
        """Watch it."""
        return watch.watch(
            self,  # type: ignore[arg-type] # the part that is used
            table,
            minutes=minutes,
            since=START,
            on_status=self.said.append,
            clock=lambda: self.now,
            sleep=self.sleep,
        )


def test_healthy_release_is_watched_to_the_end() -> None:
    """The verdict comes when the time is over, with what was seen last."""
    verdict = Watched(GOOD).watch(minutes=2.2)

    assert verdict == Verdict(
        is_healthy=True, reasons=(), until=START + timedelta(minutes=2, seconds=12), observation=GOOD
    )


def test_progress_is_one_line_per_poll() -> None:
    """Each poll says what it saw and how long it will take."""
    watched = Watched(GOOD)
    watched.watch(minutes=1)

    assert watched.said == [f"1000 requests, 2 failed, 0 restarts, {left} min left" for left in (1, 0, 0)]


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        pytest.param(BAD, "200 of 1000 requests failed with 5xx", id="failures"),
        pytest.param(
            Observation(requests=9, failures=0, restarts=3), "processes were restarted 3 times", id="restarts"
        ),
        pytest.param(
            Observation(requests=9, failures=0, restarts=0, exceptions={"KeyError: 'a'": 5, "OSError": 4}),
            "5 times KeyError: 'a'",
            id="exceptions",
        ),
    ],
)
def test_threshold_in_two_polls_ends_the_watch(seen: Observation, reason: str) -> None:
    """The verdict comes early."""
    verdict = Watched(seen).watch()

    assert (verdict.is_healthy, verdict.reasons) == (False, (reason,))
    assert verdict.until == START + timedelta(seconds=30)


def test_one_bad_poll_is_no_verdict() -> None:
    """A peak that has passed is forgiven."""
    assert Watched(BAD, GOOD, BAD, GOOD).watch().is_healthy


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        pytest.param(TargetError("no route"), "no data, which is not healthy: no route", id="unreachable"),
        pytest.param(
            Observation(requests=0, failures=0, restarts=0),
            "no data, which is not healthy: no request was answered",
            id="silent",
        ),
    ],
)
def test_no_data_is_not_healthy(answer: Observation | BaseException, reason: str) -> None:
    """Neither a target that cannot be asked nor a service that nobody asked is healthy."""
    assert Watched(answer).watch(minutes=1).reasons == (reason,)


def test_gap_in_the_middle_is_no_reason() -> None:
    """What counts is that there is data in the end."""
    assert Watched(TargetError("no route"), GOOD).watch().is_healthy


def test_interrupted_watch_says_until_when() -> None:
    """Ctrl-C gives no verdict, and says what was watched."""
    with pytest.raises(KeyboardInterrupt, match=r"watched until 2026-03-04T05:00:30\+00:00, and no verdict"):
        Watched(GOOD, KeyboardInterrupt()).watch()


def test_prometheus_that_is_away_leaves_the_target() -> None:
    """What the target says still counts, and the verdict notes what could not be asked."""
    verdict = Watched(GOOD).watch(minutes=0, prometheus="http://127.0.0.1:9")

    assert verdict.is_healthy
    assert verdict.notes == ("Prometheus cannot be asked: Connection refused",)


def test_wrong_settings_are_listed() -> None:
    """Each wrong value has its sentence."""
    with pytest.raises(ConfigError) as caught:
        Watched(GOOD).watch(interval=0, prometheus=5, exceptions=True, error_ratio=1)

    assert caught.value.problems == (
        "unknown key 'error_ratio', did you mean 'error-ratio'?",
        "'exceptions' must be a number, not True",
        "'interval' must be at least 1, not 0",
        "'prometheus' must be a string, not 5",
    )


@pytest.mark.parametrize("key", ["error-ratio", "exceptions", "restarts", "interval", "client-error-rise"])
def test_threshold_that_nothing_crosses_is_refused(key: str) -> None:
    """TOML has `nan`, which is above and below nothing."""
    with pytest.raises(ConfigError, match=rf"'{key}' must be at least \S+, not nan"):
        Watched(BAD).watch(**{key: float("nan")})
