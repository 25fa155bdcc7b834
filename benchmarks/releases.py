"""Deployment of a changed line to Kubernetes, and the way back, beside Helm alone with the same chart and values.

Run as root: `python -m benchmarks.releases`. It measures this alone, and writes the page anew. Both sides wait for the
same pods, the same migration Job and the same test of the chart; what is left is our own work, the push included.
"""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.stopwatch import Action, measure
from tests.cluster import lifecycle
from tests.services import harbour, pods, shop

from estiba.tasks.console import console

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.services.pods import Pods

CHART: Final = harbour.ROOT / "helm" / "django-service"
RUNS: Final = 3

TARGET: Final = 45.0
"""Seconds of a deployment."""

OWN_TARGET: Final = 5.0
"""Seconds of a deployment that Helm alone does not take."""

PLAN_TARGET: Final = 5.0
"""Seconds of a plan."""

_RELEASE: Final = '\n[tool.estiba.release]\ntargets = ["production"]\n'
_PENDING: Final = 2
"""Exit code of a plan with changes."""

_PAGE: Final = """
## A deployment to Kubernetes

A changed line of a service with two pods, whose image is built, is deployed to the tests' own cluster on this
machine, and taken back. Beside it Helm alone, with the same chart, values and waits, its image already pushed: `helm
upgrade --install --wait`, then `helm test`; `helm rollback --wait`, then `helm test`. Both wait for pods, migration
Job and smoke test; ours pushes the image, compares schemas, takes the lock and writes the record as well. Medians of
{runs} runs, which take turns, at a load average of {load:.0f} in the end.

| | Estiba | Helm alone | ratio |
| --- | ---: | ---: | ---: |
{rows}

Targets: {target:.0f} s for a deployment {whole}, of which {own_target:.0f} s are our own work {own}. `invoke
release.plan` of a tagged commit that is built takes {plan:.1f} s; its target is {plan_target:.0f} s {planned}.
"""


class Releases:
    """One service twice in a cluster: deployed by Estiba, and by Helm.

    Args:
        ours: The service that Estiba deploys.
        theirs: The same in another namespace.
    """

    def __init__(self, ours: Pods, theirs: Pods) -> None:
        self._ours = ours
        self._theirs = theirs
        self._changes = 0
        self._digest = ""

    def measure(self, runs: int = RUNS) -> dict[str, Any]:
        """Measure all in turns, in the form of the results file."""
        with (self._ours.folder / "pyproject.toml").open("a") as file:
            file.write(_RELEASE)
        self._serve_ours()
        self._serve_theirs()
        actions = {
            "deployed": Action(self._deploy, self._change_ours),
            "upgraded": Action(self._upgrade, self._change_theirs),
            "taken back": Action(lambda: self._ours.run("rollback"), self._serve_ours),
            "rolled back": Action(self._roll_back, self._serve_theirs),
            "planned": Action(self._plan, self._tag_ours),
        }
        found = {name: times.to_dict() for name, times in measure(actions, runs=runs, warm_up=False).items()}
        return {**found, "load": os.getloadavg()[2]}

    def _change(self, site: Pods) -> None:
        self._changes += 1
        site.write(f"1.0.{self._changes}")
        harbour.invoke(site.folder, "build")

    def _change_ours(self) -> None:
        self._change(self._ours)

    def _change_theirs(self) -> None:
        self._change(self._theirs)
        ref = f"{self._theirs.cluster.registry}/shop:1.0.{self._changes}"
        self._digest = json.loads(harbour.invoke(self._theirs.folder, "image.push", ref, "--json").stdout)["digest"]

    def _serve_ours(self) -> None:
        self._change_ours()
        self._deploy()

    def _serve_theirs(self) -> None:
        self._change_theirs()
        self._upgrade()

    def _tag_ours(self) -> None:
        self._change_ours()
        shop.git(self._ours.folder, "tag", f"v1.0.{self._changes}")

    def _plan(self) -> None:
        done = self._ours.invoke("release.plan", "--json", check=False)
        assert done.returncode == _PENDING, done.stderr

    def _deploy(self) -> None:
        assert self._ours.run("deploy")["result"] == "deployed"

    def _upgrade(self) -> None:
        image = {"image.digest": self._digest, "image.repository": f"{self._theirs.cluster.registry}/shop"}
        chosen = [f"--set={key}={value}" for key, value in image.items()]
        values = f"--values={self._theirs.folder / 'values.prod.yaml'}"
        self._helm("upgrade", "--install", "shop", str(CHART), values, *chosen, "--wait", "--timeout=60s")
        self._helm("test", "shop", "--timeout=60s")

    def _roll_back(self) -> None:
        self._helm("rollback", "shop", "--wait", "--timeout=60s")
        self._helm("test", "shop", "--timeout=60s")

    def _helm(self, *arguments: str) -> None:
        self._theirs.cluster.helm(*arguments, f"--namespace={self._theirs.namespace}")


def render(found: Mapping[str, Any]) -> str:
    """Return the page's chapter as Markdown."""
    pairs = (("deployment", "deployed", "upgraded"), ("rollback", "taken back", "rolled back"))
    seconds = {name: found[name]["median"] for pair in pairs for name in pair[1:]}
    rows = [
        f"| {name} | {seconds[ours]:.1f} s | {seconds[theirs]:.1f} s | {seconds[ours] / seconds[theirs]:.2f} |"
        for name, ours, theirs in pairs
    ]
    own = seconds["deployed"] - seconds["upgraded"]
    return _PAGE.format(
        runs=len(found["deployed"]["runs"]),
        load=found["load"],
        rows="\n".join(rows),
        target=TARGET,
        own_target=OWN_TARGET,
        plan=found["planned"]["median"],
        plan_target=PLAN_TARGET,
        planned="(met)" if found["planned"]["median"] <= PLAN_TARGET else "(**missed**)",
        whole="(met)" if seconds["deployed"] <= TARGET else "(**missed**)",
        own=f"({'met' if own <= OWN_TARGET else '**missed**'}, {own:.1f} s)",
    )


def measure_here() -> dict[str, Any]:
    """Start a cluster, measure, and end it."""
    with tempfile.TemporaryDirectory(prefix="estiba-releases-") as scratch, ExitStack() as stack:
        place = Path(scratch)
        service = shop.make(place / "shop")
        stack.callback(lifecycle.down, place / "cluster")
        cluster = lifecycle.up(place / "cluster")
        both = [stack.enter_context(pods.made(service, cluster, place / name)) for name in ("ours", "theirs")]
        return Releases(*both).measure()


def main() -> None:
    """Measure, and put the figures beside those that `invoke bench` found."""
    # Not before: the page is rendered by what imports this.
    from benchmarks import bench, page  # noqa: PLC0415

    found = measure_here()
    results = {**json.loads(bench.RESULTS.read_text()), "releases": found}
    bench.RESULTS.write_text(json.dumps(results, indent=2, sort_keys=True) + "\n")
    (harbour.ROOT / "docs" / "benchmarks.md").write_text(page.render(results))
    console.result(render(found))


if __name__ == "__main__":
    main()
