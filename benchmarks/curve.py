"""How the times of one service grow with its distributions.

Run by `invoke bench`, or alone: `python -m benchmarks.curve` measures this, and writes the page anew.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.ours import Ours
from benchmarks.stopwatch import Action, count_processor_seconds, measure
from benchmarks.subject import Subject
from tests.services import locking

from estiba import config
from estiba.lock import model
from estiba.tasks.console import console

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

ROOT: Final = Path(__file__).parents[1]
SIZES: Final = (16, 50, 100, 200)
RUNS: Final = 3

DISTRIBUTIONS: Final = tuple(Path(__file__).with_name("distributions.txt").read_text(encoding="utf-8").split())
"""An order in which little comes before what it needs, so that the first of them are a service of about that size."""

_HEAD: Final = """
## With the size of a service

A Django project with that many distributions, both platforms of which are built. "Lock" is `invoke lock --upgrade` with
the files at hand and the package lists read, by pip-tools and by uv. The seconds are those of processors, which grow
with the work and little with what else the machine does (a load average of {load:.0f} here); runs of each: {runs}.

| distributions | evaluation | nothing changed | lock | lock with uv |
| ---: | ---: | ---: | ---: | ---: |
"""
_TARGETS: Final = """
Targets at 100 distributions: evaluation 0.15 s ({evaluated}), nothing changed 0.3 s ({unchanged}).
"""
_LIMITS: Final = {"evaluated": 0.15, "unchanged": 0.3}
_JUDGED: Final = 100
_COLUMNS: Final = ("evaluated", "unchanged", "lock", "uv")


def measure_here(sizes: Sequence[int] = SIZES) -> dict[str, Any]:
    """Measure services of several sizes, in the form of the results file."""
    found = []
    for size in sizes:
        with tempfile.TemporaryDirectory(prefix="estiba-curve-") as scratch, console.step(f"{size} distributions"):
            found.append(_measure(size, Path(scratch)))
    return {"load": os.getloadavg()[2], "sizes": found}


def _measure(size: int, scratch: Path) -> dict[str, Any]:
    folder = locking.prepare(locking.copy("tiny", scratch / "tiny"))
    shutil.copy(ROOT / "nix" / "template" / "flake.nix", folder)
    locking.require(folder, *DISTRIBUTIONS[:size])
    other = Path(shutil.copytree(folder, scratch / "uv" / "tiny"))
    pyproject = other / "pyproject.toml"
    pyproject.write_text(pyproject.read_text().replace("[tool.estiba]", '[tool.estiba]\nresolver = "uv"', 1))
    subject = Subject(folder)
    subject.git("init", "--quiet")
    subject.invoke("lock", "--upgrade")
    subject.invoke("fetch", "--image")
    subject.commit("Lock")
    ours = Ours(subject, config.load(), scratch / "stores")
    ours.build()
    actions: dict[str, Callable[[], object]] = {
        "evaluated": ours.evaluate,
        "unchanged": ours.build,
        "lock": partial(subject.invoke, "lock", "--upgrade"),
        "uv": partial(Subject(other).invoke, "lock", "--upgrade"),
    }
    timed = {name: Action(run, clock=count_processor_seconds) for name, run in actions.items()}
    lock = model.parse((folder / model.FILE_NAME).read_text())
    packages = len({one.name for one in lock.distributions})
    return {"packages": packages, **{name: times.to_dict() for name, times in measure(timed, runs=RUNS).items()}}


def render(found: Mapping[str, Any]) -> str:
    """Return the page's chapter as Markdown."""
    head = _HEAD.format(runs=len(found["sizes"][0]["lock"]["runs"]), load=found["load"])
    judged = next(one for one in found["sizes"] if one["packages"] >= _JUDGED)
    said = {name: "met" if judged[name]["median"] <= limit else "**missed**" for name, limit in _LIMITS.items()}
    return head + "".join(map(_row, found["sizes"])) + _TARGETS.format(**said)


def _row(one: Mapping[str, Any]) -> str:
    cells = [f"{one[key]['median']:.2f} s" for key in _COLUMNS]
    return f"| {one['packages']} | {' | '.join(cells)} |\n"


def main() -> None:
    """Measure, and put the figures beside those that `invoke bench` found."""
    # Not before: the page is rendered by what imports this.
    from benchmarks import bench, page  # noqa: PLC0415

    found = measure_here()
    results = {**json.loads(bench.RESULTS.read_text()), "curve": found}
    bench.RESULTS.write_text(json.dumps(results, indent=2, sort_keys=True) + "\n")
    (bench.ROOT / "docs" / "benchmarks.md").write_text(page.render(results))
    console.result(render(found))


if __name__ == "__main__":
    main()
