"""Gates on a target and on how the release was built: variables, capacity, sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from estiba.build.release import SANDBOX_GATE
from estiba.errors import GateError

if TYPE_CHECKING:
    from estiba.release.gates.gate import Context


def check_variables(context: Context) -> dict[str, Any]:
    """Require that the target gives the service all variables that `required` names; evidence: the names."""
    missing = sorted(set(context.settings.required) - context.target.variables())
    if missing:
        gate = "variables"
        msg = f"target {context.name} does not set {', '.join(missing)}"
        raise GateError(gate, msg, hint="set them there, or take them out of `required` in [tool.estiba.release]")
    return {"names": sorted(context.settings.required)}


def check_capacity(context: Context) -> dict[str, Any]:
    """Require that the target can take the release now."""
    reasons = context.target.check(context.manifest)
    if reasons:
        gate = "capacity"
        msg = f"target {context.name} cannot take the release: {'; '.join(reasons)}"
        raise GateError(gate, msg, hint=f"invoke status --target {context.name}")
    return {"reasons": []}


def check_sandbox(context: Context) -> dict[str, Any]:
    """Require that the release was built in Nix's sandbox."""
    if context.manifest.gates.get(SANDBOX_GATE, {}).get("hermetic") is not True:
        msg = "the release was built without Nix's sandbox"
        hint = "build it without ESTIBA_SANDBOX=container, or set `sandbox = false` in [tool.estiba.release.gates]"
        raise GateError(SANDBOX_GATE, msg, hint=hint)
    return {"hermetic": True}
