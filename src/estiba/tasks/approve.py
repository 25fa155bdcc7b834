"""`invoke approve`: approve a release to a target, and list approvals."""

from __future__ import annotations

import json as json_format
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from estiba import config
from estiba.deploy import targets
from estiba.digest import Digest
from estiba.errors import ApprovalError, EstibaError, PlanError, UsageError
from estiba.process import run
from estiba.release import approval as approvals
from estiba.release import settings
from estiba.release.approval import Approval, Damaged
from estiba.service import project as projects
from estiba.tasks.console import console, task
from estiba.tasks.options import choose

if TYPE_CHECKING:
    from invoke import Context

    from estiba.release.settings import Settings

_PLAN = "plan.json"


@task(
    default=True,
    help={
        "target": "Target of the release; by default the only one with a rule for approvals.",
        "plan": "Plan to approve: the file that `invoke release.plan --out` wrote, or a hash; by default plan.json.",
        "key": "File of the SSH key to sign with; by default that of git's setting user.signingKey.",
        "principal": "Who approves, as in allowed_signers; by default git's setting user.email.",
        "comment": "Remark for the record.",
        "project": "Folder of the service.",
        "json": "Print the approval as one JSON object.",
    },
)
def approve(
    _: Context,
    *,
    target: str = "",
    plan: str = "",
    key: str = "",
    principal: str = "",
    comment: str = "",
    project: str = ".",
    json: bool = False,
) -> None:
    """Approve the plan of a release for a target with an SSH key.

    The approval is kept in git and pushed to `origin`; one that would not count is refused.
    """
    folder = Path(project)
    known = settings.parse(projects.load(folder))
    name = _choose_target(known, target)
    wanted, served = _read_plan(folder, plan, name)
    unsigned = Approval(
        target=name,
        plan=wanted,
        principal=principal or _ask_git(folder, "user.email", "principal"),
        at=datetime.now(UTC).replace(microsecond=0),
        comment=comment,
    )
    path = Path(key or _ask_git(folder, "user.signingKey", "key")).expanduser()
    served = served if served is not None else _ask_target(folder, name)
    signed = approvals.approve(folder, known, unsigned, key=path, runner=run, served=served)
    if json:
        console.json(signed.to_dict())
        return
    console.result(f"{signed.principal} approves {signed.plan.hex[:12]} for {name}")


@task(
    help={
        "plan": "Plan whose approvals are listed: a file or a hash; by default all plans.",
        "target": "Target, for a plan in a file.",
        "project": "Folder of the service.",
        "json": "Print the approvals as one JSON object.",
    },
)
def list(_: Context, *, plan: str = "", target: str = "", project: str = ".", json: bool = False) -> None:
    """List the approvals in git, oldest first.

    Whether they count is not looked at; a release does that.
    """
    folder = Path(project)
    name = _choose_target(settings.parse(projects.load(folder)), target) if plan else ""
    wanted = _read_plan(folder, plan, name)[0] if plan else None
    found = approvals.load(folder, wanted, run)
    for damaged in (one for one in found if isinstance(one, Damaged)):
        console.warn(f"{damaged.name} is damaged: {damaged.problem}")
    records = [one for one in found if isinstance(one, Approval) and wanted in {None, one.plan}]
    if json:
        console.json({"approvals": [one.to_dict() for one in records]})
        return
    rows = [(f"{one.at:%Y-%m-%d %H:%M}", one.target, one.plan.hex[:12], one.principal, one.comment) for one in records]
    console.table(("time (UTC)", "target", "plan", "principal", "comment"), rows)


def _choose_target(known: Settings, target: str) -> str:
    """Return the target of the option, or the only one that has a rule."""
    if target:
        # Not only those with a rule: where this commit takes one away, that of the release before holds.
        return choose("target", target, sorted({*known.targets, *known.approvals}))
    if len(known.approvals) == 1:
        return next(iter(known.approvals))
    msg = "--target is missing" if known.approvals else "no target needs an approval"
    raise UsageError(msg, hint="[tool.estiba.release.approvals] has a rule for each target that needs approvals")


def _read_plan(folder: Path, plan: str, target: str) -> tuple[Digest, str | None]:
    """Return the digest that an approval of a plan for a target is bound to, and the commit that the target serves.

    The commit is None where the plan is a hash, which does not tell.
    """
    if plan.startswith("sha256:"):
        try:
            return Digest.parse(plan), None
        except ValueError as error:
            msg = f"--plan: {error}"
            raise UsageError(msg) from error
    path = Path(plan) if plan else folder / _PLAN
    hint = f"invoke release.plan --out {path}"
    try:
        data: Any = json_format.loads(path.read_text(encoding="utf-8"))
        found = next(one for one in data["targets"] if one["name"] == target)
        return Digest.parse(found["hash"]), approvals.parse_served(found["changes"]["before"].get("commit", ""))
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror}"
        raise PlanError(msg, hint=hint) from error
    except (AttributeError, ValueError, KeyError, TypeError, StopIteration, RecursionError) as error:
        msg = f"{path} is no plan of a release with target {target}"
        raise PlanError(msg, hint=hint) from error


def _ask_target(folder: Path, name: str) -> str | None:
    """Return the commit that a target serves, or None, with a warning, where it cannot be asked from here."""
    try:
        return approvals.find_served(targets.load(folder, name, config.load()))
    except EstibaError as error:
        console.warn(
            f"{name} cannot be asked what it serves, so the release finds out whether this counts: {error.message}"
        )
        return None


def _ask_git(folder: Path, name: str, option: str) -> str:
    found = run(["git", "-C", str(folder), "config", "--get", "--", name], check=False).stdout.strip()
    if not found:
        msg = f"--{option} is missing, and git has no {name}"
        raise ApprovalError(msg, hint=f"git config {name} VALUE")
    return found
