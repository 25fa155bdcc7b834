"""Signatures of approvals by ssh-keygen(1), `-Y sign` and `-Y verify`."""

from __future__ import annotations

import re
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from estiba.errors import ApprovalError, CommandError, MissingProgramError
from estiba.release.approval.policy import SIGNERS

if TYPE_CHECKING:
    from estiba.process import Completed, Runner
    from estiba.release.approval.policy import Base
    from estiba.release.approval.record import Approval

NAMESPACE: Final = "estiba-approval"
"""Namespace of the signatures: one that was made for git or for a file does not count as an approval."""

_GOOD: Final = re.compile(r'Good "estiba-approval" signature for \S+ with \S+ key (\S+)')
_OPENSSH: Final = "install openssh-client"


def sign(approval: Approval, key: Path, runner: Runner) -> Approval:
    """Return an approval with its signature.

    Args:
        approval: Approval without a signature.
        key: File of the private key, or of the public one if ssh-agent(1) has the private one.
        runner: Runs ssh-keygen.

    Raises:
        ApprovalError: The key does not exist, or ssh-keygen cannot sign with it.
        MissingProgramError: There is no ssh-keygen on PATH.
    """
    if not key.is_file():
        msg = f"there is no key {key}"
        raise ApprovalError(msg, hint="--key FILE, or git config user.signingKey FILE")
    try:
        done = _run(["-Y", "sign", "-q", "-n", NAMESPACE, "-f", str(key)], runner, stdin=approval.payload)
    except CommandError as error:
        msg = f"ssh-keygen cannot sign with {key}\n{error.tail}"
        raise ApprovalError(msg) from error
    return replace(approval, signature=done.stdout)


def find_key(approval: Approval, base: Base, runner: Runner) -> str:
    """Return the fingerprint of the key that has signed an approval.

    Raises:
        ApprovalError: The signature does not count; the message says why, without a subject.
        MissingProgramError: There is no ssh-keygen on PATH.
    """
    if not base.signers:
        msg = f"does not count: {base.name} has no file {SIGNERS} that says who may approve"
        raise ApprovalError(msg, hint=f"commit {SIGNERS} there, and push the branch")
    with tempfile.TemporaryDirectory() as scratch:
        signers, revoked, signature = (Path(scratch, name) for name in ("signers", "revoked", "signature"))
        signers.write_text(base.signers, encoding="utf-8")
        revoked.write_text(base.revoked, encoding="utf-8")
        signature.write_text(approval.signature, encoding="utf-8")
        asked = ["-n", NAMESPACE, "-s", str(signature)]
        verify = ["-Y", "verify", *asked, "-I", approval.principal, "-f", str(signers)]
        done = _run([*verify, "-r", str(revoked)], runner, stdin=approval.payload, check=False)
        found = _GOOD.search(done.stdout)
        if done.code == 0 and found:
            return found[1]
        # ssh-keygen says the same for all reasons; what it accepts with less says which one it is.
        if _run(verify, runner, stdin=approval.payload, check=False).code == 0:
            msg = "is signed with a key that was revoked"
        elif _run(["-Y", "check-novalidate", *asked], runner, stdin=approval.payload, check=False).code:
            msg = "was changed after it was signed, or has no signature for an approval"
        else:
            where = f"{approval.principal} in {SIGNERS} of {base.name}"
            msg = f"is signed with a key that is not of {where}, or not valid now"
        raise ApprovalError(msg)


def _run(arguments: list[str], runner: Runner, *, stdin: str, check: bool = True) -> Completed:
    try:
        return runner(["ssh-keygen", *arguments], stdin=stdin, check=check)
    except MissingProgramError as error:
        raise MissingProgramError(error.message, hint=_OPENSSH) from error
