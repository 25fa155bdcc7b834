"""Helm's own record of a revision: a Secret, which says `pending-…` for ever where Helm was killed (helm#8987)."""

from __future__ import annotations

import base64
import gzip
import json
from typing import TYPE_CHECKING, Any, Final

from estiba.deploy.kubernetes.client.helm import PENDING

if TYPE_CHECKING:
    from estiba.deploy.kubernetes.client.helm import Helm

_FAILED: Final = "failed"
_REASON: Final = "the command that made this revision was killed"


def mark_failed(helm: Helm) -> int:
    """Mark the last revision as failed if Helm was killed while it made it, and return its number, else 0.

    Only who holds the lock of the target may do so: otherwise Helm may still run.

    Raises:
        TargetError: The cluster cannot be reached, or refuses.
    """
    revisions = helm.history()
    if not revisions or not revisions[-1].status.startswith(PENDING):
        return 0
    number = revisions[-1].number
    secret = helm.kubectl.get("secret", f"sh.helm.release.v1.{helm.release}.v{number}")
    if secret is None:
        return 0
    record = decode(secret["data"]["release"])
    record["info"] = {**record["info"], "status": _FAILED, "description": _REASON}
    secret["data"]["release"] = encode(record)
    secret["metadata"]["labels"]["status"] = _FAILED
    helm.kubectl.replace(secret)
    return number


def decode(text: str) -> dict[str, Any]:
    """Parse a release of Helm's: JSON, compressed by gzip, in base64 of Helm's and in that of the Secret."""
    record: dict[str, Any] = json.loads(gzip.decompress(base64.b64decode(base64.b64decode(text))))
    return record


def encode(record: dict[str, Any]) -> str:
    """Return the text of a release, as `decode` parses it."""
    packed = gzip.compress(json.dumps(record).encode(), mtime=0)
    return base64.b64encode(base64.b64encode(packed)).decode()
