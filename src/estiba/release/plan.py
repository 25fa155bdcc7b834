"""The plan of a release: what it was computed from, and what it would change on each target."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from estiba import files
from estiba.digest import Digest
from estiba.errors import PlanError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FORMAT: Final = 1
MINUTE: Final = 60

_INPUTS: Final = ("service", "version", "tag", "commit", "lock", "image", "host", "settings")
"""Fields that must not move between plan and run."""

_GIVEN: Final = ("chart", "image", "inputs")
"""State of a target that comes of the release alone, and that no deployment moves."""

_MOST: Final = 10**9
"""Bound of all numbers, which are seconds and people."""

_SHORT: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetPlan:
    """Part of a plan about one target.

    Attributes:
        name: Name of the target.
        kind: Kind of the target.
        settings: Digest of its settings.
        changes: What would change, the JSON form of `estiba.deploy.target.Changes`.
        problems: Reasons why the target could not take the release now.
        approvers: Who may approve; empty if no approval is needed.
        approvals: Number of approvals that are needed.
        signers: Commit whose `allowed_signers` has the keys of who may approve; empty if no approval is needed.
        gates: Names of the gates that are asked about this target.
        backup: Sentence about the newest backup; empty where no gate looks at backups.
    """

    name: str
    kind: str
    settings: str
    changes: Mapping[str, Any]
    problems: tuple[str, ...] = ()
    approvers: tuple[str, ...] = ()
    approvals: int = 0
    signers: str = ""
    gates: tuple[str, ...] = ()
    backup: str = ""

    @property
    def is_pending(self) -> bool:
        """Whether the target does not serve the release yet."""
        return bool(self.changes["pending"])

    @property
    def state(self) -> dict[str, str]:
        """What the changes were computed from."""
        return dict(self.changes["state"])

    @property
    def chart(self) -> str:
        """Digest of the Helm chart, or an empty string for a target without one."""
        return self.state.get("chart", "")

    @property
    def served(self) -> str:
        """Digest of the release that is served, or an empty string."""
        return str(self.changes["before"].get("digest", ""))

    def migrations(self, reason: str) -> tuple[str, ...]:
        """Return the names of the pending migrations that have reasons of a kind: `contracts` or `irreversible`."""
        return tuple(one["name"] for one in self.changes["migrations"] if one[reason])

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        lists = {name: list(getattr(self, name)) for name in ("approvers", "gates", "problems")}
        return {
            **lists,
            "approvals": self.approvals,
            "backup": self.backup,
            "changes": dict(self.changes),
            "kind": self.kind,
            "name": self.name,
            "settings": self.settings,
            "signers": self.signers,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Plan of a release.

    Attributes:
        service: Name of the service.
        version: Version of the service.
        tag: Tag of the release.
        commit: Full hash of the commit.
        previous: Tag of the release before, or an empty string.
        changelog: Subjects of the commits since then, newest first.
        lock: Digest of `estiba.lock`.
        image: Digest of the image index, or an empty string without an image.
        host: Store path of the host closure, or an empty string without one.
        settings: Digest of the settings of releases, without those of the targets.
        gates: Names of the gates that are asked once, about the commit.
        targets: Parts about the targets, in the order of the release.
        limits: Time limits of the steps in seconds, by name.
        budget: Seconds that a release should take at most.
    """

    service: str
    version: str
    tag: str
    commit: str
    previous: str
    changelog: tuple[str, ...]
    lock: str
    image: str
    host: str
    settings: str
    gates: tuple[str, ...] = ()
    targets: tuple[TargetPlan, ...] = ()
    limits: Mapping[str, int]
    budget: int

    @property
    def hash(self) -> Digest:
        """Digest of everything that must not move until the release has run; prose and diffs are not in it."""
        return _hash(self._inputs(), [_pinned(one) for one in self.targets])

    @property
    def identifier(self) -> str:
        """Name of the release: its version, and the start of the plan's hash."""
        return f"{self.version}-{self.hash.hex[:8]}"

    @property
    def is_pending(self) -> bool:
        """Whether any target does not serve the release yet."""
        return any(one.is_pending for one in self.targets)

    @property
    def seconds(self) -> int:
        """Sum of the time limits in seconds; approvals are not in it."""
        return sum(self.limits.values())

    def hash_for(self, target: str) -> Digest:
        """Return the digest that an approval is bound to: as `hash`, with the state of one target alone.

        It stays the same while the release goes on to that target, and on a machine that plans it alone.
        """
        return _hash(self._inputs(), [_pinned(self.target(target))])

    def target(self, name: str) -> TargetPlan:
        """Return the part about one target."""
        return next(one for one in self.targets if one.name == name)

    def find_moved(self, fresh: Plan, begun: frozenset[str] = frozenset()) -> tuple[str, ...]:
        """Return sentences about what has moved since this plan was made, empty if nothing has.

        A target that serves the release by now has not moved: an earlier run of this plan has done that.

        Args:
            fresh: Plan that was made in the same way just now.
            begun: Names of targets that a deployment of this plan may have moved itself, such as by a failed revision.
        """
        mine, theirs = self._inputs(), fresh._inputs()
        moved = [_sentence(name, mine[name], theirs[name]) for name in _INPUTS if mine[name] != theirs[name]]
        names = [one.name for one in self.targets]
        if names != [one.name for one in fresh.targets]:
            return (*moved, _sentence("targets", ", ".join(names), ", ".join(one.name for one in fresh.targets)))
        for old, new in zip(self.targets, fresh.targets, strict=True):
            if old.settings != new.settings:
                moved += [_sentence(f"settings of {old.name}", old.settings, new.settings)]
            if new.is_pending:
                moved += [
                    f"target {old.name}: {_sentence(name, old.state.get(name, ''), new.state.get(name, ''))}"
                    for name in (_GIVEN if old.name in begun else sorted({*old.state, *new.state}))
                    if old.state.get(name) != new.state.get(name)
                ]
        return tuple(moved)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form, as `--json` and `--out` have it."""
        plain = {name: value for name, value in asdict(self).items() if name != "targets"}
        return {
            **plain,
            "changelog": list(self.changelog),
            "format": FORMAT,
            "gates": list(self.gates),
            "hash": str(self.hash),
            "id": self.identifier,
            "limits": dict(self.limits),
            "pending": self.is_pending,
            "targets": [{**one.to_dict(), "hash": str(self.hash_for(one.name))} for one in self.targets],
        }

    def _inputs(self) -> dict[str, str]:
        return {name: getattr(self, name) for name in _INPUTS}


def save(plan: Plan, path: Path) -> None:
    """Write a plan to a file.

    Raises:
        OSError: The file cannot be written.
    """
    files.write(path, json.dumps(plan.to_dict(), sort_keys=True, indent=1) + "\n", mode=0o600)


def load(path: Path) -> Plan:
    """Read a plan from a file.

    Raises:
        PlanError: The file is missing, damaged or edited, or of another format version.
    """
    hint = shlex.join(["invoke", "release.plan", "--out", str(path)])
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return parse(data)
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror}"
        raise PlanError(msg, hint=hint) from error
    except (ValueError, RecursionError) as error:
        msg = f"{path} is no plan of a release: {error}"
        raise PlanError(msg, hint=hint) from error
    except PlanError as error:
        msg = f"{path} {error.message}"
        raise PlanError(msg, hint=hint) from error


def parse(data: Any) -> Plan:  # noqa: ANN401 - what a file has
    """Parse the JSON form of a plan.

    Raises:
        PlanError: It is of another format version, lacks fields, or was edited.
    """
    if not isinstance(data, dict) or "format" not in data:
        msg = "is no plan of a release"
        raise PlanError(msg)
    try:
        if data["format"] != FORMAT:
            msg = f"is a plan of format {data['format']!r}, and this Estiba reads {FORMAT}"
            raise PlanError(msg)
        known = {name: data[name] for name in Plan.__slots__ if name in data}
        lists = {name: tuple(data[name]) for name in ("changelog", "gates")}
        plan = Plan(**{**known, **lists, "targets": tuple(map(_parse_target, data["targets"]))})
        _check_types(plan)
        moved = str(plan.hash) != data["hash"]
        # Whatever is used of it later, so that a damaged file is found here.
        json.dumps([plan.to_dict(), plan.seconds])
    # A field of the wrong type raises one of these, depending on where it is.
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        msg = f"is damaged: {type(error).__name__}: {error}"
        raise PlanError(msg) from error
    if moved:
        msg = "was edited: its hash is that of another plan"
        raise PlanError(msg)
    return plan


def _check_types(plan: Plan) -> None:
    """Refuse fields of other types, which whoever edits a file may write under a hash that fits.

    Raises:
        KeyError: A field is missing.
        TypeError: One has another type.
        ValueError: Two targets have one name.
    """
    texts: list[object] = [*(getattr(plan, name) for name in (*_INPUTS, "previous")), *plan.changelog, *plan.gates]
    numbers: list[object] = [plan.budget, *plan.limits.values()]
    for one in plan.targets:
        changes, before = one.changes, one.changes["before"]
        texts += [one.name, one.kind, one.settings, one.signers, one.backup, changes["diff"]]
        texts += [*one.problems, *one.approvers, *one.gates, *(word for argv in changes["commands"] for word in argv)]
        texts += [*changes["state"].values(), *(before[name] for name in ("digest", "version") if before)]
        for migration in changes["migrations"]:
            texts += [migration["name"], *migration["contracts"], *migration["irreversible"]]
        numbers.append(one.approvals)
    wrong = [one for one in texts if not isinstance(one, str)]
    wrong += [one for one in numbers if type(one) is not int or not 0 <= one < _MOST]
    if wrong:
        msg = f"{wrong[0]!r:.80} is of another type than its field"
        raise TypeError(msg)
    if len({one.name for one in plan.targets}) < len(plan.targets):
        msg = "two targets have one name"
        raise ValueError(msg)


def _parse_target(data: Mapping[str, Any]) -> TargetPlan:
    known = {name: data[name] for name in TargetPlan.__slots__ if name in data}
    lists = {name: tuple(data[name]) for name in ("approvers", "gates", "problems")}
    return TargetPlan(**{**known, **lists})


def _pinned(target: TargetPlan) -> dict[str, Any]:
    migrations = [one["name"] for one in target.changes["migrations"]]
    pinned = {name: getattr(target, name) for name in ("kind", "name", "settings", "state")}
    return {**pinned, "migrations": migrations}


def _hash(inputs: Mapping[str, str], targets: list[dict[str, Any]]) -> Digest:
    document = {"format": FORMAT, "inputs": dict(inputs), "targets": targets}
    return Digest.of_bytes(json.dumps(document, sort_keys=True, separators=(",", ":")).encode())


def _sentence(name: str, old: str, new: str) -> str:
    return f"{name} was {_shorten(old)} and is {_shorten(new)}"


def _shorten(text: str) -> str:
    """Return a digest or commit as people compare it, and any other text as it is."""
    digits = text.removeprefix("sha256:")
    is_hash = len(digits) in {40, 64} and not set(digits) - set("0123456789abcdef")
    return digits[:_SHORT] if is_hash else text or "nothing"
