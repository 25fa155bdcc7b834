"""Gates and approvals of a release, asked for one target or once for the commit."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from estiba.errors import EstibaError
from estiba.release import approval
from estiba.release.gates import backup, registry
from estiba.release.gates.gate import Context
from estiba.release.gates.registry import Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from estiba.digest import Digest
    from estiba.release.run.workspace import Workspace
    from estiba.release_manifest import ReleaseManifest

_BACKUP: Final = "backup"


def names(workspace: Workspace, target: str) -> tuple[str, ...]:
    """Return the names of the gates that are asked about a target, or once about the commit.

    Args:
        workspace: Service to release.
        target: Name of the target; empty for the commit.

    Raises:
        ConfigError: The settings of the gates are invalid.
    """
    return registry.enabled(workspace.settings, Scope.TARGET if target else Scope.COMMIT)


def check(
    workspace: Workspace,
    manifest: ReleaseManifest,
    target: str,
    *,
    skip: Mapping[str, str],
    on_status: Callable[[str], None],
) -> ReleaseManifest:
    """Ask the gates about a target, or once about the commit, and return the manifest with their evidence.

    Args:
        workspace: Service to release.
        manifest: Manifest of the release.
        target: Name of the target; empty for the commit.
        skip: Reasons by the names of the gates that are not asked.
        on_status: Called with one progress message at a time.

    Raises:
        ChoiceError: `skip` names a gate that the release has not.
        GateError: Gates refused the release; the message lists all refusals.
    """
    context = _context(workspace, manifest, target, on_status)
    scope = Scope.TARGET if target else Scope.COMMIT
    return registry.check_all(context, skip, lambda _name, _evidence: None, scope=scope)


def find_backup(workspace: Workspace, manifest: ReleaseManifest, target: str) -> str:
    """Return a sentence about the newest backup of a target; empty where no gate looks at backups."""
    if _BACKUP not in names(workspace, target):
        return ""
    context = _context(workspace, manifest, target, lambda _: None)
    try:
        evidence = backup.check(context)
    except EstibaError as error:
        return error.message
    return f"{evidence['age-hours']} h old ({evidence['time']})" if "time" in evidence else ""


def approvers(workspace: Workspace, target: str, served: str) -> tuple[tuple[str, ...], int, str]:
    """Return who may approve a release to a target, how many have to, and whose keys count; nobody without rules.

    Args:
        workspace: Service to release.
        target: Name of the target.
        served: Commit that it serves, see `approval.find_served`.

    Raises:
        ApprovalError: Nobody can tell who may.
    """
    base = approval.load_base(workspace.folder, served, workspace.runner)
    rules = approval.find_rules(workspace.settings, base, target)
    principals = dict.fromkeys(principal for rule in rules for principal in rule.principals)
    return tuple(principals), max((rule.count for rule in rules), default=0), base.name if rules else ""


def approve(workspace: Workspace, target: str, plan: Digest) -> tuple[str, ...]:
    """Check the approvals of a release to a target, and return who gave them.

    Args:
        workspace: Service to release.
        target: Name of the target.
        plan: Digest that the approvals have to be bound to.

    Raises:
        ApprovalError: Approvals are missing or invalid.
    """
    folder, runner = workspace.folder, workspace.runner
    found = approval.load(folder, plan, runner)
    now = datetime.now(tz=UTC)
    served = approval.find_served(workspace.targets[target])
    given = approval.verify(
        folder, workspace.settings, target, plan, approvals=found, now=now, runner=runner, served=served
    )
    return tuple(one.principal for one in given)


def _context(workspace: Workspace, manifest: ReleaseManifest, target: str, on_status: Callable[[str], None]) -> Context:
    # A gate about the commit looks at no target, and gets any.
    name = target or next(iter(workspace.targets))
    return Context(
        folder=workspace.folder,
        project=workspace.project,
        config=workspace.config,
        settings=workspace.settings,
        manifest=manifest,
        name=name,
        target=workspace.targets[name],
        runner=workspace.runner,
        on_status=on_status,
        now=datetime.now(tz=UTC),
    )
