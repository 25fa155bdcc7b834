"""Steps of a release, as data."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from estiba.digest import Digest

if TYPE_CHECKING:
    from estiba.release.plan import Plan


class Kind(Enum):
    """Kind of a step; the value is its name."""

    BUILD = "build"
    GATES = "gates"
    PUSH = "push"
    APPROVAL = "approval"
    DEPLOY = "deploy"
    SMOKE = "smoke"
    TAG = "tag"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Step of a release.

    Attributes:
        kind: Kind of the step.
        target: Name of the target that it is about; empty for none.
    """

    kind: Kind
    target: str = ""

    @property
    def name(self) -> str:
        """Name in the journal, such as `deploy:staging`."""
        return f"{self.kind.value}:{self.target}" if self.target else self.kind.value

    @property
    def label(self) -> str:
        """Name in messages, such as `deploy to staging`."""
        if not self.target:
            return self.kind.value
        preposition = {Kind.DEPLOY: "to", Kind.SMOKE: "on"}.get(self.kind, "for")
        return f"{self.kind.value} {preposition} {self.target}"

    def input(self, plan: Plan) -> str:
        """Return the digest of what the step depends on."""
        hashed = plan.hash_for(self.target) if self.target else plan.hash
        return str(Digest.of_bytes(json.dumps([self.name, str(hashed)]).encode()))


def order(plan: Plan) -> tuple[Step, ...]:
    """Return the steps of a plan: nothing is changed before the gates, no target before the one ahead of it works."""
    steps = [Step(kind=Kind.BUILD), Step(kind=Kind.GATES), Step(kind=Kind.PUSH)]
    for target in plan.targets:
        # Approvals are always looked for: the release before decides whether there have to be any, not this one's plan.
        kinds = (Kind.GATES, Kind.APPROVAL, Kind.DEPLOY, Kind.SMOKE)
        steps += [Step(kind=kind, target=target.name) for kind in kinds]
    return (*steps, Step(kind=Kind.TAG))
