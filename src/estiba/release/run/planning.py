"""Planning of a release; the run plans in the same way, and refuses a plan whose inputs have moved."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from estiba.digest import Digest
from estiba.errors import PlanError
from estiba.release import approval
from estiba.release.plan import MINUTE, Plan, TargetPlan
from estiba.release.run import guard

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from estiba.release.run.workspace import Workspace
    from estiba.release.version import Source
    from estiba.release_manifest import ReleaseManifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Options of a release.

    Attributes:
        tag: Tag of the release, which its last step creates if it does not exist; by default the one of the commit.
        contract: Allow migrations that remove what the release before needs.
        skip: Reasons by the names of the gates that are not asked.
    """

    tag: str = ""
    contract: bool = False
    skip: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "contract": self.contract,
            "skip": dict(self.skip),
            "tag": self.tag,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """Result of planning.

    Attributes:
        plan: Plan.
        source: Commit to release.
        manifest: Manifest of the release.
    """

    plan: Plan
    source: Source
    manifest: ReleaseManifest


def make(workspace: Workspace, options: Options, on_status: Callable[[str], None]) -> Planned:
    """Plan the release of the commit that is checked out; builds it, unless the store has it, and changes nothing.

    Raises:
        ApprovalError: Nobody can tell who may approve it.
        PlanError: The commit cannot be released.
        TargetError: A target cannot be reached, or its settings do not fit the release.
    """
    on_status("reading the tag")
    repository = workspace.repository
    source = repository.read(workspace.project.version, tag=options.tag)
    manifest = workspace.build(workspace.contents, on_status)
    _check_built(manifest, source)
    plan = Plan(
        service=manifest.service,
        version=source.version,
        tag=source.tag,
        commit=source.commit,
        previous=source.previous,
        changelog=repository.subjects(source.previous, source.commit),
        lock=str(manifest.lock),
        image=str(manifest.image.digest) if manifest.image else "",
        host=str(manifest.host or ""),
        settings=_hash(workspace.project.release),
        gates=guard.names(workspace, ""),
        targets=tuple(_plan_target(workspace, name, manifest, on_status) for name in workspace.targets),
        limits=_limits(workspace),
        budget=workspace.settings.budget * MINUTE,
    )
    return Planned(plan=plan, source=source, manifest=manifest)


def _plan_target(
    workspace: Workspace, name: str, manifest: ReleaseManifest, on_status: Callable[[str], None]
) -> TargetPlan:
    on_status(f"asking {name} what would change")
    target = workspace.targets[name]
    approvers, count, signers = guard.approvers(workspace, name, approval.find_served(target))
    return TargetPlan(
        name=name,
        kind=workspace.kind(name),
        settings=_hash(workspace.project.targets.get(name, {})),
        changes=target.plan(manifest).to_dict(),
        problems=target.check(manifest),
        approvers=approvers,
        approvals=count,
        signers=signers,
        gates=guard.names(workspace, name),
        backup=guard.find_backup(workspace, manifest, name),
    )


def _check_built(manifest: ReleaseManifest, source: Source) -> None:
    """Refuse a build of another source: Nix builds the work tree, git names the commit."""
    # A service without a flake.nix is built from its folder, and its manifest names no commit.
    if manifest.commit not in {"", source.commit}:
        msg = f"the build is of {manifest.commit}, and {source.commit} is to be released"
        raise PlanError(msg, hint="git status shows what has changed meanwhile; plan again")


def _limits(workspace: Workspace) -> dict[str, int]:
    """Return the time limit of each step that a release has, by name."""
    limits = dict(workspace.settings.limits)
    once = {name: limits[name] for name in ("build", "gates", "push")}
    each = {f"{name}:{target}": limits[name] for target in workspace.targets for name in ("gates", "deploy", "smoke")}
    return {**once, **each}


def _hash(table: Mapping[str, Any]) -> str:
    return str(Digest.of_bytes(json.dumps(dict(table), sort_keys=True, default=str).encode()))
