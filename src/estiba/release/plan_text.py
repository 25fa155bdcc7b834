"""A plan as text for people."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from estiba.release import changelog
from estiba.release.plan import MINUTE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from estiba.release.plan import Plan, TargetPlan


def render(plan: Plan) -> str:
    """Return a plan as lines of text."""
    return "\n".join(_lines(plan))


def _lines(plan: Plan) -> Iterator[str]:
    since = f" since {plan.previous}" if plan.previous else ", the first release"
    yield f"{plan.service} {plan.version}, {plan.tag}, commit {plan.commit[:12]}{since}"
    yield ""
    for title, texts in changelog.group(plan.changelog).items():
        yield from [f"  {title}"] if title else []
        yield from (f"  - {text}" for text in texts)
    yield ""
    yield f"lock    {plan.lock}"
    yield from [f"image   {plan.image}"] if plan.image else []
    yield from [f"host    {plan.host}"] if plan.host else []
    yield f"gates   {', '.join(plan.gates) or 'none'}"
    over = f", more than the budget of {plan.budget // MINUTE}" if plan.seconds > plan.budget else ""
    yield f"time    at most {plan.seconds / MINUTE:.0f} minutes without approvals{over}"
    for target in plan.targets:
        yield ""
        yield from _target(target, plan)
    yield ""
    yield f"plan    {plan.hash}"


def _target(target: TargetPlan, plan: Plan) -> Iterator[str]:
    before = target.changes["before"]
    served = f"serves {before['version']} (revision {before['number']})" if before else "serves nothing yet"
    wanted = "changes pending" if target.is_pending else "nothing to change"
    yield f"{target.name} ({target.kind}): {served}, {wanted}"
    yield from [f"  chart {target.chart}"] if target.chart else []
    for one in target.changes["migrations"]:
        yield f"  migration {one['name']}: {_judge(one)}"
    if target.migrations("contracts"):
        yield "  these end the way back to the release before, and need --contract"
    yield from (f"  {line}" for line in target.changes["diff"].splitlines())
    yield from (f"  $ {shlex.join(argv)}" for argv in target.changes["commands"])
    yield f"  gates: {', '.join(target.gates) or 'none'}"
    yield from [f"  newest backup: {target.backup}"] if target.backup else []
    if target.approvals:
        yield f"  approval: {target.approvals} of {', '.join(target.approvers)}, with the keys of {target.signers}"
        yield f"    invoke approve --target {target.name} --plan {plan.hash_for(target.name)}"
    yield from (f"  problem: {sentence}" for sentence in target.problems)


def _judge(migration: dict[str, list[str]]) -> str:
    """Return how safe a migration is: `safe`, or the reasons why not."""
    kinds = (("contracts", "contract"), ("irreversible", "irreversible"))
    found = [f"{word} ({'; '.join(migration[key])})" for key, word in kinds if migration[key]]
    return ", ".join(found) or "safe"
