"""Execution of a release: step by step along its plan, each remembered in the journal, from any point on."""

from __future__ import annotations

import logging
import signal
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from estiba.errors import ApprovalError, DeployError, EstibaError, PlanError
from estiba.redaction import find_secrets, redact_text
from estiba.release import journal as journals
from estiba.release.journal import BEGUN, DONE, FAILED, INTERRUPTED, SUPERSEDED, WAITING, Entry, now
from estiba.release.run import owner, planning
from estiba.release.run.actions import Actions
from estiba.release.run.planning import Options
from estiba.release.run.steps import Kind, order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from types import FrameType

    from estiba.release.journal import Journal, Write
    from estiba.release.plan import Plan
    from estiba.release.run.planning import Planned
    from estiba.release.run.steps import Step
    from estiba.release.run.workspace import Workspace

_log = logging.getLogger(__name__)

_RESUME = "invoke release.resume"
_ABORT = "invoke release.abort ends it"


class Progress(Protocol):
    """Shows the steps of a release."""

    def __call__(self, label: str) -> AbstractContextManager[Callable[[str], None]]:
        """Show a step while the block runs; yields a callback for lines of progress."""
        ...


class Listener(Protocol):
    """Hears of what happens in a release; what it does must not fail the release."""

    def begin(self, journal: Journal) -> None:
        """Hear that the release has begun, or goes on."""
        ...

    def end(self, journal: Journal, error: BaseException | None) -> None:
        """Hear that the release has ended, or stopped with an error."""
        ...

    def step(self, journal: Journal, step: Step, entry: Entry, actions: Actions) -> None:
        """Hear that a step has ended, well or not."""
        ...


@dataclass(kw_only=True)
class Execution:
    """Release that is run.

    Attributes:
        workspace: Service to release.
        progress: Shows the steps.
        listener: Hears of what happens; None for nobody.
        write: Appends a line to the journal.
        skipped: Names of the steps that were done before, and still hold.
    """

    workspace: Workspace
    progress: Progress
    listener: Listener | None = None
    write: Write = journals.append
    skipped: list[str] = field(default_factory=list)

    def start(self, options: Options, expected: Plan | None = None) -> Journal:
        """Run a release; one that the same command started and that was stopped goes on where it was.

        Args:
            options: Options of the release.
            expected: Plan that was looked at, whose inputs must not have moved.

        Returns:
            The journal of the release, which has ended.

        Raises:
            BusyError: Another release of the service runs.
            PlanError: The commit cannot be released, the inputs of the plan have moved, or another release was stopped
                in the middle of a step.
            EstibaError: A step failed; the journal has the release, to be resumed.
        """
        with self._owned() as who:
            planned = self._plan(options)
            if expected:
                moved = expected.find_moved(planned.plan)
                _refuse(expected, moved, hint="invoke release.plan, look at it, and run that one")
            # Never the plan of the file, in which anybody may have changed what its hash does not cover.
            journal = self._open(planned, options, who)
            return self._run(journal, planned, options)

    def resume(self, journal: Journal, options: Options | None = None) -> Journal:
        """Go on with a release that was stopped.

        Args:
            journal: Journal of the release.
            options: Further options, besides those that it was started with.

        Raises:
            PlanError: The release has ended, or the inputs of its plan have moved.
            EstibaError: A step failed.
        """
        if journal.is_ended:
            msg = f"release {journal.identifier} has ended: {journal.result}"
            raise PlanError(msg, hint="invoke release starts another one")
        given = merge(journal.options, options or Options())
        with self._owned():
            return self._run(journal, self._plan(given), given)

    @contextmanager
    def _owned(self) -> Iterator[dict[str, Any]]:
        who = owner.describe(self.workspace.config.variables)
        with owner.hold(self.workspace.journals.folder, who), terminable():
            yield who

    def _plan(self, options: Options) -> Planned:
        with self.progress("plan") as on_status:
            return planning.make(self.workspace, options, on_status)

    def _open(self, planned: Planned, options: Options, who: dict[str, Any]) -> Journal:
        """Return the journal to write to: that of the stopped release that the same command started, or a new one."""
        stored = self.workspace.journals
        stopped = stored.unfinished()
        if stopped and _is_same(stopped, planned.plan, options):
            return stopped
        if stopped:
            _supersede(stopped, planned.plan)
        return stored.create(planned.plan, options.to_dict(), who, write=self.write)

    def _run(self, journal: Journal, planned: Planned, options: Options) -> Journal:
        journal.write = self.write
        _refuse(journal.plan, _find_moved(journal, planned.plan), hint=f"{_ABORT}; then invoke release.plan")
        _refuse_contract(planned.plan, options)
        actions = Actions(
            workspace=self.workspace,
            plan=journal.plan,
            source=planned.source,
            manifest=planned.manifest,
            options=options,
        )
        error: BaseException | None = None
        try:
            self._tell("begin", journal)
            for step in order(journal.plan):
                self._advance(journal, step, actions)
            journal.end(DONE)
        except BaseException as caught:
            error = caught
            raise
        finally:
            self._tell("end", journal, error)
        return journal

    def _advance(self, journal: Journal, step: Step, actions: Actions) -> None:
        """Do a step, unless it was done before with the same input and its output still holds."""
        wanted, before = step.input(journal.plan), journal.last(step.name)
        if before and before.result == DONE and before.input == wanted and actions.verify(step, before.output):
            self.skipped.append(step.name)
            return
        attempt = before.attempt + 1 if before else 1
        begun = Entry(step=step.name, result=BEGUN, input=wanted, attempt=attempt, started=now())
        journal.add(begun)
        try:
            with self.progress(step.label) as on_status:
                output = actions.perform(step, on_status)
        except BaseException as error:
            reason = _redact(self.workspace, _reason(error))
            ended = _end(begun, _result(error), reason=reason, code=getattr(error, "exit_code", 1))
            journal.add(ended)
            self._tell("step", journal, step, ended, actions)
            if isinstance(error, KeyboardInterrupt):
                raise _interruption(error, step) from error
            _complete(error, step)
            raise
        ended = _end(begun, DONE, output=output)
        journal.add(ended)
        self._tell("step", journal, step, ended, actions)

    def _tell(self, what: str, *arguments: Any) -> None:  # noqa: ANN401 - those of the listener's method
        try:
            if self.listener:
                getattr(self.listener, what)(*arguments)
        except Exception as error:  # noqa: BLE001 - what was done is done, whoever could not be told
            _log.warning("not everybody was told: %s", _redact(self.workspace, repr(error)))


@contextmanager
def terminable() -> Iterator[None]:
    """Take SIGTERM for Ctrl-C while the block runs, since CI systems send it to cancel a job."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def merge(stored: Any, given: Options) -> Options:  # noqa: ANN401 - what a journal has
    """Return the options of a release that is resumed: those of its start, and those that are given now."""
    return Options(
        tag=given.tag or stored["tag"],
        contract=given.contract or stored["contract"],
        skip={**stored["skip"], **given.skip},
    )


def _is_same(stopped: Journal, fresh: Plan, options: Options) -> bool:
    """Tell whether a command goes on with a stopped release: of the same commit, targets and options.

    One that was killed in a step is looked at by somebody before anything else is released. Any other is replaced, so
    that what it passed over, and what it was planned for, does not come back.
    """
    plan = stopped.plan
    names = [[one.name for one in known.targets] for known in (plan, fresh)]
    is_same = (plan.tag, plan.commit, names[0], dict(stopped.options)) == (
        fresh.tag,
        fresh.commit,
        names[1],
        options.to_dict(),
    )
    return is_same and (_is_killed(stopped) or not _find_moved(stopped, fresh))


def _supersede(stopped: Journal, plan: Plan) -> None:
    """End a release that another one replaces, unless it was killed in a step, where somebody has to look first."""
    if _is_killed(stopped):
        msg = f"release {stopped.identifier} was stopped in {stopped.entries[-1].step}"
        raise PlanError(msg, hint=f"{_RESUME} goes on with it, {_ABORT}")
    stopped.end(SUPERSEDED, f"by {plan.identifier}")


def _is_killed(stopped: Journal) -> bool:
    """Tell whether a release was killed, or interrupted, in a step; before its first one nothing has begun."""
    return bool(stopped.entries) and stopped.result in {BEGUN, INTERRUPTED}


def _find_moved(journal: Journal, fresh: Plan) -> tuple[str, ...]:
    """Return sentences about what has moved since a release was planned, but by its own doing.

    The target of a deployment that has begun and is not done may have moved, as long as it serves what it did before.

    Args:
        journal: Journal of the release.
        fresh: Plan of now.
    """
    begun = {entry.step for entry in journal.entries if entry.result != DONE}
    served = {one.name: one.served for one in fresh.targets}
    own = frozenset(
        one.name
        for one in journal.plan.targets
        if f"{Kind.DEPLOY.value}:{one.name}" in begun and served.get(one.name) == one.served
    )
    return journal.plan.find_moved(fresh, own)


def _refuse(plan: Plan, moved: tuple[str, ...], *, hint: str) -> None:
    """Refuse to run a plan whose inputs have moved."""
    if moved:
        listed = moved[0] if len(moved) == 1 else "".join(f"\n- {one}" for one in moved)
        msg = f"the plan {str(plan.hash)[7:19]} has been overtaken: {listed}"
        raise PlanError(msg, hint=hint)


def _refuse_contract(plan: Plan, options: Options) -> None:
    for one in plan.targets:
        if (found := one.migrations("contracts")) and not options.contract:
            msg = f"{one.name} would run migrations that the release before cannot live with: {', '.join(found)}"
            raise DeployError(msg, hint="--contract runs them; the way back ends there")


def _end(begun: Entry, result: str, **changes: Any) -> Entry:  # noqa: ANN401 - fields of an entry
    known = {name: getattr(begun, name) for name in ("step", "input", "attempt", "started")}
    return Entry(**known, result=result, ended=now(), **changes)


def _result(error: BaseException) -> str:
    if isinstance(error, ApprovalError):
        return WAITING
    return INTERRUPTED if isinstance(error, KeyboardInterrupt) else FAILED


def _reason(error: BaseException) -> str:
    return error.message if isinstance(error, EstibaError) else str(error) or type(error).__name__


def _redact(workspace: Workspace, text: str) -> str:
    return redact_text(text, find_secrets(workspace.config.variables))


def _interruption(error: KeyboardInterrupt, step: Step) -> KeyboardInterrupt:
    said = f": {error}" if str(error) else ""
    return KeyboardInterrupt(f"interrupted in {step.label}{said}\n  hint: {_RESUME}")


def _complete(error: BaseException, step: Step) -> None:
    """Have an error say in which step it happened, and which command goes on."""
    if isinstance(error, EstibaError):
        error.message = f"{step.label}: {error.message}"
        error.hint = error.hint or f"fix the cause, then {_RESUME}"
