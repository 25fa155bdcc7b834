"""`invoke release.*`: plan a release, run it, go on with one that was stopped."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

from estiba import config
from estiba.errors import UsageError
from estiba.release import by_hand, plan_text
from estiba.release import plan as plans
from estiba.release.run import aftercare, closing, owner, planning, workspace
from estiba.release.run.execution import Execution
from estiba.release.run.planning import Options
from estiba.release.run.reporting import Reporter
from estiba.service import project as projects
from estiba.tasks.console import console, leave, task

if TYPE_CHECKING:
    from collections.abc import Sequence

    from invoke import Context

    from estiba.release.journal import Entry, Journal, Journals
    from estiba.release.run.workspace import Workspace
    from estiba.release.verdict import Verdict

PENDING = 2
"""Exit code of `release.plan` if a target does not serve the release yet."""

_JSON = "Print the result as one JSON object."
_PROJECT = "Folder of the service."
_TARGET = "The only target to release to; by default all of `targets` in [tool.estiba.release]."
_TAG = "Tag of the release, created as its last step if it does not exist; by default the one that the commit carries."
_CONTRACT = "Allow migrations that remove what the release before needs; they end the way back."
_SKIP = "Gate not to ask; may be repeated."
_REASON = "Why gates are skipped, or a release is aborted; goes into the logbook."
_ID = "Name of the release, or the start of it; by default the last one that is unfinished."


@task(
    help={
        "target": _TARGET,
        "tag": _TAG,
        "out": "File to write the plan to, for `invoke release --plan`.",
        "project": _PROJECT,
        "json": _JSON,
    }
)
def plan(
    _: Context,
    *,
    target: str = "",
    tag: str = "",
    out: str = "",
    project: str = ".",
    json: bool = False,
) -> None:
    """Show what a release would do, and change nothing.

    Exits with 2 if a target does not serve the release yet, and with 0 if all do.
    """
    service = workspace.load(Path(project), config.load(), target)
    with console.step("plan") as on_status:
        planned = planning.make(service, Options(tag=tag), on_status).plan
    if out:
        plans.save(planned, Path(out))
    if json:
        console.json(planned.to_dict())
    else:
        console.result(plan_text.render(planned))
    leave(PENDING if planned.is_pending else 0)


@task(
    default=True,
    iterable=["skip"],
    help={
        "target": _TARGET,
        "plan": "Plan that was looked at, from `invoke release.plan --out`; it is refused if its inputs have moved.",
        "tag": _TAG,
        "contract": _CONTRACT,
        "skip": _SKIP,
        "reason": _REASON,
        "project": _PROJECT,
        "json": _JSON,
    },
)
def release(
    _: Context,
    *,
    target: str = "",
    plan: str = "",
    tag: str = "",
    contract: bool = False,
    skip: Sequence[str] | None = None,
    reason: str = "",
    project: str = ".",
    json: bool = False,
) -> None:
    """Release the commit that is checked out to each target in turn.

    Builds, asks the gates, then for each target: gates, approval, deployment, smoke tests. What was stopped goes on
    where it was. A target whose release fails returns to the one before.
    """
    expected = plans.load(Path(plan)) if plan else None
    names = tuple(one.name for one in expected.targets) if expected and not target else ()
    service = workspace.load(Path(project), config.load(), target, names=names)
    options = Options(tag=tag, contract=contract, skip=_skips(skip, reason))
    _show_end(_execution(service).start(options, expected), as_json=json)


@task(
    iterable=["skip"],
    help={
        "id": _ID,
        "contract": _CONTRACT,
        "skip": _SKIP,
        "reason": _REASON,
        "project": _PROJECT,
        "json": _JSON,
    },
)
def resume(
    _: Context,
    *,
    id: str = "",
    contract: bool = False,
    skip: Sequence[str] | None = None,
    reason: str = "",
    project: str = ".",
    json: bool = False,
) -> None:
    """Go on with a release that was stopped.

    What is done is verified and not repeated.
    """
    settings = config.load()
    journal = _journals(project).open(id)
    service = workspace.load(Path(project), settings, names=tuple(one.name for one in journal.plan.targets))
    options = Options(contract=contract, skip=_skips(skip, reason))
    _show_end(_execution(service).resume(journal, options), as_json=json)


@task(
    help={
        "id": _ID,
        "rollback": "Return each target that serves the release to what it served before.",
        "reason": _REASON,
        "project": _PROJECT,
        "json": _JSON,
    },
)
def abort(
    _: Context,
    *,
    id: str = "",
    rollback: bool = False,
    reason: str = "",
    project: str = ".",
    json: bool = False,
) -> None:
    """End a release that was stopped, and say what stays where."""
    settings = config.load()
    journal = _journals(project).open(id)
    service = workspace.load(Path(project), settings, names=tuple(one.name for one in journal.plan.targets))
    on_return = functools.partial(by_hand.report, Reporter.load(service))
    with console.step(f"abort {journal.identifier}") as on_status:
        left = closing.abort(
            service, journal, reason=reason, rollback=rollback, on_status=on_status, on_return=on_return
        )
    if json:
        console.json({**journal.to_dict(), "left": {one.target: one.sentence for one in left}})
        return
    for one in left:
        console.result(f"{one.target} {one.sentence}")


@task(help={"target": _TARGET, "project": _PROJECT, "json": _JSON})
def unlock(_: Context, *, target: str = "", project: str = ".", json: bool = False) -> None:
    """Free the locks of a release that was killed.

    Fails if its process is alive.
    """
    held = closing.unlock(workspace.load(Path(project), config.load(), target))
    if json:
        console.json(held)
        return
    console.result(f"releases: {held['release'] or 'not locked'}")
    for name, holder in held["targets"].items():
        console.result(f"{name}: {holder or 'not locked'}")


@task(help={"project": _PROJECT, "json": _JSON})
def status(_: Context, *, project: str = ".", json: bool = False) -> None:
    """Show the steps of the last release, and the command to go on with.

    Exits with 1 if the last release is unfinished and does not run.
    """
    stored = _journals(project)
    journal, running = stored.last(), owner.running(stored.folder)
    if json:
        console.json({"release": journal.to_dict() if journal else None, "running": running})
    elif journal is None:
        console.result("nothing was released from this machine yet")
    else:
        _show(journal)
        if running:
            console.result(f"runs now: {owner.sentence(running)}")
        elif not journal.is_ended:
            console.result("next: invoke release.resume, or invoke release.abort")
    leave(1 if journal and not journal.is_ended and not running else 0)


@task(help={"project": _PROJECT, "json": _JSON})
def history(_: Context, *, project: str = ".", json: bool = False) -> None:
    """List the releases that were run on this machine, the newest first."""
    found = list(reversed(_journals(project).list()))
    if json:
        console.json({"releases": [journal.to_dict() for journal in found]})
        return
    rows = [
        (one.identifier, one.plan.tag, one.plan.commit[:12], one.started, one.owner.get("user", ""), one.result)
        for one in found
    ]
    console.table(("release", "tag", "commit", "started", "by", "result"), rows)


@task(
    positional=["id"],
    help={"id": "Name of the release, or the start of it.", "project": _PROJECT, "json": _JSON},
)
def show(_: Context, id: str, *, project: str = ".", json: bool = False) -> None:
    """Show the steps of a release."""
    journal = _journals(project).find(id)
    if json:
        console.json(journal.to_dict())
    else:
        _show(journal)


@task(
    help={
        "target": "Target to watch; by default the last one of `targets` in [tool.estiba.release].",
        "minutes": "Length of the watch.",
        "rollback": "Return to the release before if this one is unhealthy.",
        "project": _PROJECT,
        "json": _JSON,
    }
)
def watch(
    _: Context,
    *,
    target: str = "",
    minutes: int = 60,
    rollback: bool = False,
    project: str = ".",
    json: bool = False,
) -> None:
    """Watch a release for a while, and say whether it is healthy.

    Looks at failed requests, exceptions and restarts; no data is not healthy. Exits with 1 if the release is unhealthy,
    and with 5 if it was rolled back for that.
    """
    service = workspace.load(Path(project), config.load(), target)
    name, reporter = list(service.targets)[-1], Reporter.load(service)
    with console.step(f"watch {name}") as on_status:
        verdict = aftercare.watch(reporter, name, minutes=minutes, rollback=rollback, on_status=on_status)
    _show_verdict(verdict, as_json=json)


@task(
    help={
        "target": "Target to review; by default the last one of `targets` in [tool.estiba.release].",
        "project": _PROJECT,
        "json": _JSON,
    }
)
def review(_: Context, *, target: str = "", project: str = ".", json: bool = False) -> None:
    """Review a release a day later, by counts that the service names.

    They are compared with those of the week before. Exits with 1 if they are beyond the tolerance.
    """
    service = workspace.load(Path(project), config.load(), target)
    verdict = aftercare.review(Reporter.load(service), list(service.targets)[-1])
    _show_verdict(verdict, as_json=json)


def _execution(service: Workspace) -> Execution:
    return Execution(workspace=service, progress=console.step, listener=Reporter.load(service))


def _show_verdict(verdict: Verdict, *, as_json: bool) -> None:
    if as_json:
        console.json(verdict.to_dict())
    else:
        console.result(verdict.result)
        for sentence in (*verdict.reasons, *verdict.notes):
            console.result(f"- {sentence}")
    leave(0 if verdict.is_healthy else 1)


def _journals(project: str) -> Journals:
    return workspace.journals(projects.load(Path(project)), config.load())


def _skips(skip: Sequence[str] | None, reason: str) -> dict[str, str]:
    # Invoke takes a default other than None for the type of the option.
    if skip and not reason.strip():
        message = f"--skip {skip[0]} has no reason"
        raise UsageError(message, hint=f"--skip {skip[0]} --reason 'why', which goes into the logbook")
    return dict.fromkeys(skip or (), reason)


def _show_end(journal: Journal, *, as_json: bool) -> None:
    if as_json:
        console.json(journal.to_dict())
        return
    _show(journal)
    console.say("next: invoke release.watch --minutes 60")


def _show(journal: Journal) -> None:
    plan = journal.plan
    console.result(f"{journal.identifier}  {plan.tag}  {plan.commit[:12]}  {journal.started}  {journal.result}")
    console.table(("step", "result", "seconds", "attempt", "reason"), [_row(entry) for entry in journal.steps()])


def _row(entry: Entry) -> tuple[object, ...]:
    return entry.step, entry.result, round(entry.seconds, 1), entry.attempt, entry.reason.partition("\n")[0]
