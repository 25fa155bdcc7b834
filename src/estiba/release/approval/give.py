"""Giving an approval: signed, looked at as a release will do it, and kept in git."""

from __future__ import annotations

from typing import TYPE_CHECKING

from estiba.errors import ApprovalError
from estiba.release.approval import policy as policies
from estiba.release.approval import record
from estiba.release.approval.ref import store
from estiba.release.approval.signature import sign
from estiba.release.approval.verify import verify_one

if TYPE_CHECKING:
    from pathlib import Path

    from estiba.process import Runner
    from estiba.release.approval.record import Approval
    from estiba.release.settings import Settings


def approve(
    folder: Path, settings: Settings, approval: Approval, *, key: Path, runner: Runner, served: str | None
) -> Approval:
    """Sign an approval and keep it in git; return it with its signature.

    Args:
        folder: Folder of the service, in a git repository; HEAD is the commit that is released.
        settings: Settings of releases.
        approval: Approval without a signature.
        key: File of the key.
        runner: Runs git and ssh-keygen.
        served: Commit that the target serves, see `policy.find_served`; None where the target cannot be asked, so that
            the release alone finds out whether the approval counts.

    Raises:
        ApprovalError: It would not count, so that it is not kept; or it cannot be pushed.
        ConfigError: The settings of the approvals are invalid.
        MissingProgramError: There is no ssh-keygen on PATH.
    """
    signed = sign(approval, key, runner)
    if isinstance(found := record.parse(signed.name, signed.render()), record.Damaged):
        msg = f"the approval {found.problem}, so that no release would take it"
        raise ApprovalError(msg)
    if served is not None:
        base = policies.load_base(folder, served, runner)
        verify_one(folder, settings, signed, base=base, runner=runner)
    store(folder, signed, runner)
    return signed
