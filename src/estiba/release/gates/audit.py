"""Gate on known vulnerabilities of the locked distributions, which pip-audit(1) looks up."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from estiba.errors import GateError
from estiba.lock import model
from estiba.release.gates.commands import run_limited
from estiba.release.gates.gate import number, texts, url

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from estiba.lock.model import Distribution
    from estiba.release.gates.gate import Context, Key

KEYS: Final[Mapping[str, Key]] = {
    "ignore": texts(),
    "limit": number("seconds", 1),
    "url": url("the query of an advisory source with OSV's API"),
}

_LIMIT: Final = 300
_FOUND: Final = 1
"""Exit code of pip-audit where it has found vulnerabilities; it is also that of its errors, which print no JSON."""


def audit(context: Context) -> dict[str, Any]:
    """Require that the advisory source knows no vulnerability of a distribution of the image.

    Evidence: the source, the number of distributions, and the ignored advisories.
    """
    options = context.options("audit")
    ignored = options.get("ignore", [])
    locked = _load(context.folder)
    with tempfile.TemporaryDirectory() as scratch:
        requirements = Path(scratch, "requirements.txt")
        requirements.write_text(_render(locked), encoding="utf-8")
        argv = _command(requirements, options["url"], ignored)
        done = run_limited(context, "audit", argv, options.get("limit", _LIMIT))
    found = _parse(done.stdout, done.tail, done.code, len(locked))
    if found:
        gate, listed = "audit", "".join(f"\n  - {sentence}" for sentence in found)
        msg = f"{options['url']} knows vulnerabilities:{listed}"
        raise GateError(
            gate, msg, hint="invoke lock --upgrade-package NAME, or `ignore` in [tool.estiba.release.gates.audit]"
        )
    return {"distributions": len(locked), "ignored": list(ignored), "url": options["url"]}


def _load(folder: Path) -> list[Distribution]:
    """Return the distributions of the image, each once, as they are locked."""
    path = folder / model.FILE_NAME
    lock = model.parse(path.read_text(encoding="utf-8"))
    found = {(one.name, one.version): one for one in lock.distributions if "runtime" in one.groups}
    if not found:
        gate, msg = "audit", f"{path} has no distribution of the service"
        raise GateError(gate, msg)
    return list(found.values())


def _render(locked: Sequence[Distribution]) -> str:
    return "".join(f"{one.name}=={one.version}\n" for one in sorted(locked, key=lambda one: (one.name, one.version)))


def _command(requirements: Path, url: str, ignored: Sequence[str]) -> list[str]:
    # Our own reader of advisories would have to match versions as pip-audit does, and be kept up to date with OSV's
    # schema; pip-audit takes any source that answers OSV's `POST /v1/query`.
    return [
        "pip-audit",
        *("--requirement", str(requirements), "--no-deps", "--disable-pip"),
        *("--vulnerability-service", "osv", "--osv-url", url),
        *("--format", "json", "--progress-spinner", "off", "--strict"),
        *(word for name in ignored for word in ("--ignore-vuln", name)),
    ]


def _parse(stdout: str, tail: str, code: int, expected: int) -> list[str]:
    """Return a sentence for each vulnerability in the output of pip-audit.

    Raises:
        GateError: The output is no report about all distributions.
    """
    gate = "audit"
    try:
        entries = json.loads(stdout)["dependencies"]
        skipped = [entry["name"] for entry in entries if "skip_reason" in entry]
        found = [_describe(entry, vulnerability) for entry in entries for vulnerability in entry.get("vulns", ())]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        msg = f"pip-audit exited with {code} and no report\n{tail}"
        raise GateError(gate, msg, hint="the advisory source of `url` has to answer") from error
    if skipped or len(entries) != expected or code not in {0, _FOUND} or (code == _FOUND and not found):
        without = f", none about {', '.join(skipped)}" if skipped else ""
        msg = (
            f"pip-audit exited with {code}, and reports on {len(entries)} of {expected} distributions{without}\n{tail}"
        )
        raise GateError(gate, msg)
    return found


def _describe(entry: Mapping[str, Any], vulnerability: Mapping[str, Any]) -> str:
    fixed = ", ".join(vulnerability.get("fix_versions", ()))
    return f"{entry['name']} {entry['version']}: {vulnerability['id']}" + (f", mended in {fixed}" if fixed else "")
