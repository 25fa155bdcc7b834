"""Whether the approvals that there are suffice."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from estiba.errors import ApprovalError
from estiba.release.approval import policy as policies
from estiba.release.approval.record import Approval, Damaged
from estiba.release.approval.signature import find_key

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from estiba.digest import Digest
    from estiba.process import Runner
    from estiba.release.approval.policy import Base, Policy
    from estiba.release.settings import Settings

_SKEW: Final = timedelta(minutes=10)
"""Difference between two clocks that is taken for one."""
_SHOWN: Final = 8
"""Number of approvals that do not count to say why for."""
_SHORT: Final = 12


def verify(
    folder: Path,
    settings: Settings,
    target: str,
    plan: Digest,
    *,
    approvals: Sequence[Approval | Damaged],
    now: datetime,
    runner: Runner,
    served: str,
) -> tuple[Approval, ...]:
    """Return the approvals that count for a plan on a target; none where no rule asks for any.

    The rules of HEAD hold, and so do those of the base, and its `allowed_signers`. A person counts once, and so does a
    key.

    Args:
        folder: Folder of the service, in a git repository; HEAD is the commit that is released.
        settings: Settings of releases.
        target: Name of the target.
        plan: Digest that the approvals are bound to.
        approvals: Approvals that there are, see `ref.load`.
        now: Time, with a time zone.
        runner: Runs git and ssh-keygen.
        served: Commit that the target serves, see `policy.find_served`.

    Raises:
        ApprovalError: There are too few; the message says of each approval why it does not count.
        ConfigError: The settings of the approvals are invalid.
        MissingProgramError: There is no ssh-keygen on PATH.
    """
    base = policies.load_base(folder, served, runner)
    rules = policies.find_rules(settings, base, target)
    if not rules:
        return ()
    checker = _Checker(folder=folder, target=target, plan=plan, base=base, rules=rules, now=now, runner=runner)
    return checker.require(approvals)


def verify_one(folder: Path, settings: Settings, approval: Approval, *, base: Base, runner: Runner) -> None:
    """Check that an approval that was just given counts for its plan and target.

    Raises:
        ApprovalError: It does not count.
    """
    checker = _Checker(
        folder=folder,
        target=approval.target,
        plan=approval.plan,
        base=base,
        rules=policies.find_rules(settings, base, approval.target),
        now=approval.at,
        runner=runner,
    )
    checker.check(approval)


class _Checker:
    """Checks approvals of one plan for one target."""

    def __init__(
        self,
        *,
        folder: Path,
        target: str,
        plan: Digest,
        base: Base,
        rules: Sequence[Policy],
        now: datetime,
        runner: Runner,
    ) -> None:
        self._target = target
        self._plan = plan
        self._base = base
        self._rules = rules
        self._now = now
        self._runner = runner
        is_barred = any(rule.bars_author for rule in rules)
        self._authors = policies.find_authors(folder, base.since, runner) if is_barred else frozenset()

    def require(self, approvals: Sequence[Approval | Damaged]) -> tuple[Approval, ...]:
        """Return the approvals that count under all rules.

        Raises:
            ApprovalError: Under one of them there are too few.
        """
        counted: dict[str, Approval] = {}
        keys: dict[str, str] = {}
        problems: list[str] = []
        for approval in approvals:
            try:
                key = self.check(approval)
            except ApprovalError as error:
                problems.append(error.message)
                continue
            assert isinstance(approval, Approval)
            if keys.setdefault(key, approval.principal) == approval.principal:
                counted[approval.principal] = approval
            else:
                problems.append(f"{_name(approval)} is signed with the key of {keys[key]}")
        for rule in self._rules:
            self._require_count(rule, counted, problems)
        return tuple(counted.values())

    def check(self, approval: Approval | Damaged) -> str:
        """Return the key of an approval that counts.

        Raises:
            ApprovalError: It does not count.
        """
        if isinstance(approval, Damaged):
            msg = f"{approval.name} is damaged: {approval.problem}"
            raise ApprovalError(msg)
        problem = self._find_problem(approval)
        if problem:
            msg = f"{_name(approval)} {problem}"
            raise ApprovalError(msg)
        try:
            return find_key(approval, self._base, self._runner)
        except ApprovalError as error:
            msg = f"{_name(approval)} {error.message}"
            raise ApprovalError(msg, hint=error.hint) from error

    def _find_problem(self, approval: Approval) -> str:
        if approval.target != self._target:
            return f"is for target {approval.target}, not for {self._target}"
        if approval.plan != self._plan:
            return f"is for another plan, {approval.plan.hex[:_SHORT]}"
        if approval.at > self._now + _SKEW:
            return "is of the future"
        hours = min((rule.hours for rule in self._rules), default=0)
        if self._now - approval.at > timedelta(hours=hours):
            return f"has expired: it counted for {hours:g} h"
        if not self._rules:
            return f"does not count: {self._target} asks for no approval"
        if not any(approval.principal in rule.principals for rule in self._rules):
            return f"does not count: {approval.principal} is not in `from` of {self._target}"
        if approval.principal.casefold() in self._authors:
            return f"does not count: {approval.principal} is an author of the release"
        return ""

    def _require_count(self, rule: Policy, counted: Mapping[str, Approval], problems: Sequence[str]) -> None:
        given = [principal for principal in rule.principals if principal in counted]
        if len(given) >= rule.count:
            return
        listed = "".join(f"\n  - {problem}" for problem in problems[:_SHOWN])
        who = ", ".join(principal for principal in rule.principals if principal not in counted)
        msg = f"{self._target} needs {rule.count - len(given)} more approval{'s' * (rule.count - len(given) > 1)}"
        msg = f"{msg} of plan {self._plan.hex[:_SHORT]}, from {who}{listed}"
        raise ApprovalError(msg, hint=f"invoke approve --target {self._target} --plan {self._plan}")


def _name(approval: Approval) -> str:
    return f"the approval of {approval.principal} of {approval.at:%Y-%m-%d %H:%M} UTC"
