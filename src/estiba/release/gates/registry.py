"""All gates by name, in the order in which they are asked."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from estiba.errors import ChoiceError, ConfigError, EstibaError, GateError, UsageError, describe_unknown
from estiba.release.gates import audit, backup, checks, commands, sonarqube, target
from estiba.release.gates.gate import WHERE, check_table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from estiba.release.gates.gate import Context, Gate, Key
    from estiba.release.settings import Settings
    from estiba.release_manifest import ReleaseManifest


class Scope(Enum):
    """Subject of a gate: the commit, which is looked at once in a release, or a target."""

    COMMIT = "commit"
    TARGET = "target"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """Gate and what is known about it.

    Attributes:
        gate: Gate.
        scope: What it looks at.
        keys: Keys of its settings.
        is_default: Whether it is asked without settings.
    """

    gate: Gate
    scope: Scope = Scope.COMMIT
    keys: Mapping[str, Key]
    is_default: bool = False


_ENTRIES: Final[Mapping[str, _Entry]] = {
    "sandbox": _Entry(gate=target.check_sandbox, keys={}, is_default=True),
    "check-deploy": _Entry(gate=checks.check_deploy, keys={}, is_default=True),
    "migrations": _Entry(gate=checks.check_migrations, keys={}, is_default=True),
    "tests": _Entry(gate=checks.run_tests, keys={}, is_default=True),
    "coverage": _Entry(gate=checks.measure_coverage, keys=checks.COVERAGE_KEYS),
    "lint": _Entry(gate=commands.lint, keys=commands.LINT_KEYS),
    "audit": _Entry(gate=audit.audit, keys=audit.KEYS),
    "sonarqube": _Entry(gate=sonarqube.check, keys=sonarqube.KEYS),
    "variables": _Entry(gate=target.check_variables, scope=Scope.TARGET, keys={}, is_default=True),
    "capacity": _Entry(gate=target.check_capacity, scope=Scope.TARGET, keys={}, is_default=True),
    "backup": _Entry(gate=backup.check, scope=Scope.TARGET, keys=backup.KEYS),
}

GATES: Final[Mapping[str, Gate]] = {name: entry.gate for name, entry in _ENTRIES.items()}


def enabled(settings: Settings, scope: Scope | None = None) -> tuple[str, ...]:
    """Return the names of the gates that a release has to pass, in their order.

    Args:
        settings: Settings of releases.
        scope: Only gates of this scope; by default all.

    Raises:
        ConfigError: The settings of the gates are invalid; the message lists all problems.
    """
    problems = [describe_unknown(name, _ENTRIES) for name in settings.gates if name not in _ENTRIES]
    for name, entry in _ENTRIES.items():
        problems += _check(name, entry, settings.gates.get(name, entry.is_default))
    if problems:
        raise ConfigError(WHERE, problems)
    return tuple(
        name
        for name, entry in _ENTRIES.items()
        if settings.gates.get(name, entry.is_default) is not False and scope in {None, entry.scope}
    )


def check_all(
    context: Context,
    skip: Mapping[str, str],
    on_result: Callable[[str, Mapping[str, Any] | None], None],
    *,
    scope: Scope | None = None,
) -> ReleaseManifest:
    """Ask the gates, all of them even if one refuses, and return the manifest with their evidence.

    Evidence about a target is under its name in that of the gate. A gate whose subject is the commit is not asked again
    if the manifest has its evidence for the commit.

    Args:
        context: What they look at.
        skip: Reasons by the names of the gates that are not asked.
        on_result: Called after each gate with its name and its evidence, None for a refusal.
        scope: Only gates of this scope; by default all.

    Raises:
        ChoiceError: `skip` names a gate that the release has not.
        UsageError: `skip` has no reason.
        ConfigError: The settings of the gates are invalid.
        GateError: Gates refused the release; the message lists all refusals.
    """
    names = enabled(context.settings, scope)
    _check_skipped(skip, enabled(context.settings))
    manifest, refusals = context.manifest, []
    for name in names:
        entry = _ENTRIES[name]
        if entry.scope is Scope.COMMIT and _has_passed(manifest, name):
            continue
        context.on_status(f"gate {name}")
        evidence: dict[str, Any] | None = None
        try:
            evidence = {"skipped": skip[name]} if name in skip else dict(entry.gate(context))
            manifest = _add(manifest, name, evidence, "" if entry.scope is Scope.COMMIT else context.name)
        # Whatever could not be looked at is refused; OSError is that of a file, a connection or a program.
        except (EstibaError, OSError) as error:
            refusals.append(_refuse(name, error))
        on_result(name, evidence)
    if refusals:
        raise _join(refusals)
    return manifest


def _has_passed(manifest: ReleaseManifest, name: str) -> bool:
    evidence = manifest.gates.get(name, {})
    return "skipped" not in evidence and evidence.get("commit") == manifest.commit != ""


def _check(name: str, entry: _Entry, value: object) -> list[str]:
    """Return the problems of the settings of a gate; false turns it off, true is enough where no key is needed."""
    if isinstance(value, bool):
        return check_table(name, {}, entry.keys) if value else []
    if not isinstance(value, dict):
        return [f"{name!r} must be {'a table' if entry.keys else 'true'} or false, not {value!r}"]
    return check_table(name, value, entry.keys)


def _check_skipped(skip: Mapping[str, str], names: tuple[str, ...]) -> None:
    for name, reason in skip.items():
        if name not in names:
            what = "gate"
            raise ChoiceError(what, name, names, hint="--skip takes the name of a gate that the plan lists")
        if not reason.strip():
            msg = f"--skip {name} has no reason"
            raise UsageError(msg, hint=f"--skip {name} --reason 'why', which goes into the logbook")


def _add(manifest: ReleaseManifest, name: str, evidence: Mapping[str, Any], target_name: str) -> ReleaseManifest:
    if not target_name:
        return manifest.with_gate(name, {**evidence, "commit": manifest.commit})
    return manifest.with_gate(name, {**manifest.gates.get(name, {}), target_name: dict(evidence)})


def _refuse(name: str, error: EstibaError | OSError) -> GateError:
    if isinstance(error, GateError):
        return error
    if isinstance(error, EstibaError):
        return GateError(name, error.message, hint=error.hint)
    return GateError(name, str(error))


def _join(refusals: list[GateError]) -> GateError:
    """Return one error for all refusals; the gates' names stand in the sentences."""
    if len(refusals) == 1:
        return refusals[0]
    listed = "".join(f"\n- {one.message}" + (f"\n  hint: {one.hint}" if one.hint else "") for one in refusals)
    return GateError(", ".join(one.gate for one in refusals), f"{len(refusals)} refusals{listed}")
