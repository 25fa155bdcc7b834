"""Review of a release: counts that the service names, compared with those of the week before in the logbook."""

from __future__ import annotations

import json
import math
from datetime import datetime, timedelta
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from estiba.errors import ConfigError, DeployError, describe_unknown
from estiba.release.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from estiba.deploy.target import Target
    from estiba.release.logbook import Entry, Logbook

_WHERE: Final = "pyproject.toml [tool.estiba.release.review]"
_DEFAULTS: Final[Mapping[str, Any]] = {"command": [], "tolerance": 0.5}
_WEEK: Final = timedelta(days=7)
_NEAR: Final = timedelta(hours=3)
"""How far from the same hour of the same weekday counts still compare."""

_RECENT: Final = timedelta(hours=1)
"""Counts that are younger belong to the same review, run again."""


def parse(table: Mapping[str, Any]) -> tuple[tuple[str, ...], float]:
    """Return the management command that counts, with its arguments, and the tolerance as a ratio.

    Raises:
        ConfigError: Settings are invalid; the message lists all of them.
    """
    problems = [describe_unknown(key, _DEFAULTS) for key in table if key not in _DEFAULTS]
    command, tolerance = table.get("command", []), table.get("tolerance", _DEFAULTS["tolerance"])
    if not isinstance(command, list) or not all(isinstance(word, str) and word for word in command):
        problems.append(f"'command' must be a list of strings, not {command!r}")
    if isinstance(tolerance, bool) or not isinstance(tolerance, int | float) or not 0 <= tolerance < math.inf:
        problems.append(f"'tolerance' must be a number that is not negative, not {tolerance!r}")
    if problems:
        raise ConfigError(_WHERE, problems)
    return tuple(command), float(tolerance)


def count(target: Target, table: Mapping[str, Any]) -> dict[str, int]:
    """Run the service's command and return its counts by name; empty where no command is configured.

    Raises:
        ConfigError: Settings are invalid.
        DeployError: The command failed, or its last line is no JSON object of names with whole numbers.
    """
    command, _ = parse(table)
    if not command:
        return {}
    finished = target.manage(command)
    if not finished.has_passed:
        msg = f"{command[0]} failed: {finished.tail(5)}"
        raise DeployError(msg, hint=f"run it by hand: manage.py {' '.join(command)}")
    try:
        counts = json.loads(finished.tail(1))
    except ValueError:
        counts = None
    if not isinstance(counts, dict) or not counts or not all(type(number) is int for number in counts.values()):
        msg = f"the last line of {command[0]} is no JSON object of names with whole numbers: {finished.tail(1)[:80]!r}"
        raise DeployError(msg, hint='print one such as {"loans": 12, "audit": 340}')
    return counts


def review(target: Target, table: Mapping[str, Any], logbook: Logbook, *, name: str) -> Verdict:
    """Count, compare with the week before, and record the verdict and the counts in the logbook.

    Args:
        target: Target that serves the release.
        table: Table `[tool.estiba.release.review]`.
        logbook: Logbook with the counts of before.
        name: Name of the target.

    Raises:
        ConfigError: Settings are invalid, or name no command.
        DeployError: Nothing is served, so there is nothing to review.
    """
    command, _ = parse(table)
    if not command:
        problem = "'command' names no management command that counts"
        raise ConfigError(_WHERE, [problem], hint='command = ["review_counts"]')
    release = target.status().release
    if release is None:
        msg = f"nothing is served on {name}"
        raise DeployError(msg, hint="invoke release")
    verdict = _judge(target, table, _select(logbook, name), logbook.clock())
    logbook.append(
        command="review",
        target=name,
        version=release.version,
        commit=release.commit,
        digest=release.digest,
        result=verdict.result,
        reason="; ".join((*verdict.reasons, *verdict.notes)),
        counts=verdict.counts,
    )
    return verdict


def _select(logbook: Logbook, name: str) -> list[Entry]:
    """Return the entries with counts of a target in the week before, and a little longer, without those of just now."""
    now = logbook.clock()
    oldest, newest = now - _WEEK - _NEAR, now - _RECENT
    found = [entry for entry in logbook.entries() if entry.target == name and entry.counts]
    return [entry for entry in found if oldest <= datetime.fromisoformat(entry.at) <= newest]


def _judge(target: Target, table: Mapping[str, Any], entries: Sequence[Entry], now: datetime) -> Verdict:
    try:
        counts = count(target, table)
    except DeployError as error:
        return Verdict(is_healthy=False, reasons=(f"no data, which is not healthy: {error.message}",), until=now)
    _, tolerance = parse(table)
    usual, basis = _find_usual(entries, now)
    reasons = tuple(
        f"{name} {'is no longer counted' if name not in counts else f'is {counts[name]}'}, and was {number:g} {basis}"
        for name, number in sorted(usual.items())
        # A difference of one is no trend, however small the number.
        if name not in counts or abs(counts[name] - number) > max(tolerance * number, 1)
    )
    new = sorted(counts.keys() - usual.keys())
    notes = (f"there is nothing yet to compare with for {', '.join(new)}",) if new else ()
    return Verdict(is_healthy=not reasons, reasons=reasons, until=now, notes=notes, counts=counts)


def _find_usual(entries: Sequence[Entry], now: datetime) -> tuple[dict[str, float], str]:
    """Return the counts of the same hour a week ago, or else the medians of the week, and how to call them."""
    same = [entry for entry in entries if abs(now - _WEEK - datetime.fromisoformat(entry.at)) <= _NEAR]
    chosen, basis = (same, "a week ago") if same else (entries, "in the median of the week before")
    names = {name for entry in chosen for name in entry.counts}
    return {name: median(entry.counts[name] for entry in chosen if name in entry.counts) for name in names}, basis
