"""What Estiba promises of its speed and size, and whether a run of the benchmarks bears it out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A figure that must not exceed a limit.

    Attributes:
        name: What is promised.
        figure: Takes the figure from our results and a peer's.
        limit: What it may be at most.
        form: How to show it.
        peers: The peers that it depends on.
    """

    name: str
    figure: Callable[[dict[str, Any], dict[str, Any]], float]
    limit: float
    form: str = "{:.2f} s"
    peers: tuple[str, ...] = ()

    def judge(self, ours: dict[str, Any], peer: dict[str, Any]) -> str:
        """Return the figure and whether the target is met, as a cell of a table."""
        try:
            figure = self.figure(ours, peer)
        except KeyError:
            # Results may be older than a target.
            return "not measured"
        return f"{'met' if figure <= self.limit else '**missed**'}, {self.form.format(figure)}"


PEERS: Final = ("recommended", "plain", "careful", "uv")
"""The variants of the peer, as the tables order them; the last one starts with Python in its base image."""

TARGETS: Final[Sequence[Target]] = (
    Target(name="evaluation without cache: 0.15 s", figure=lambda ours, _: _median(ours["evaluated"]), limit=0.15),
    Target(
        name="cold build: half the peer's time",
        figure=lambda ours, peer: _median(ours["cold"]) / _median(peer["cold"]),
        limit=0.5,
        form="{:.2f} times",
        peers=PEERS[:-1],
    ),
    Target(
        name="cold build on a base: 0.75 times the peer's time",
        figure=lambda ours, peer: _median(ours["based"]) / _median(peer["cold"]),
        limit=0.75,
        form="{:.2f} times",
        peers=PEERS[-1:],
    ),
    Target(
        name="changed line: the peer's time",
        figure=lambda ours, peer: _median(ours["changed"]) / _median(peer["changed"]),
        limit=1.0,
        form="{:.2f} times",
        peers=PEERS,
    ),
    Target(name="changed line: 2 s", figure=lambda ours, _: _median(ours["changed"]), limit=2.0),
    Target(name="nothing changed: 0.5 s", figure=lambda ours, _: _median(ours["unchanged"]), limit=0.5),
    Target(
        name="both platforms: 1.3 times one",
        figure=lambda ours, _: _median(ours["both"]) / _median(ours["cold"]),
        limit=1.3,
        form="{:.2f} times",
    ),
    Target(
        name="both platforms on a base: 1.3 times one",
        figure=lambda ours, _: _median(ours["based_both"]) / _median(ours["based"]),
        limit=1.3,
        form="{:.2f} times",
    ),
    Target(
        name="image, compressed: 40 % of the peer's",
        figure=lambda ours, peer: 100 * ours["size"] / peer["size"],
        limit=40,
        form="{:.1f} %",
        peers=PEERS,
    ),
    Target(name="image, compressed: 60 MB", figure=lambda ours, _: ours["size"] / 1e6, limit=60, form="{:.1f} MB"),
    Target(
        name="push of a changed line: 1 layer",
        figure=lambda ours, _: ours["sent"]["layers"],
        limit=1,
        form="{:.0f}",
    ),
    Target(name="push of the same image: 9 requests", figure=lambda ours, _: ours["requests"], limit=9, form="{:.0f}"),
    Target(name="push of the same image: no bytes", figure=lambda ours, _: ours["resent"], limit=0, form="{:.0f}"),
    Target(name="changed line to pushed: 3 s", figure=lambda ours, _: _median(ours["pushed"]), limit=3.0),
)

_HEAD: Final = """
## Targets

Each is "at most". They were set when a `docker build` from a plain base took 24.3 s and weighed 156 MB compressed: the
first column is near to that in time, the second in size, and the others are stricter than both.

| | as most write it | without recommends | careful | with uv |
| --- | --- | --- | --- | --- |
"""


def render(results: dict[str, Any]) -> str:
    """Return the page's chapter as Markdown."""
    return _HEAD + "".join(_row(target, results) for target in TARGETS)


def _row(target: Target, results: dict[str, Any]) -> str:
    ours, peers = results["ours"], results["peers"]
    judged = target.peers or PEERS[:1]
    shown = [target.judge(ours, peers.get(name, {})) if name in judged else "" for name in PEERS]
    return f"| {' | '.join([target.name, *shown])} |\n"


def _median(found: dict[str, Any]) -> float:
    seconds: float = found["median"]
    return seconds
