"""Changes that a deployment would make: pending migrations, and the difference of two releases as text."""

from __future__ import annotations

import difflib
import json
import shlex
from typing import TYPE_CHECKING

from estiba.deploy.host import environment, migrations
from estiba.deploy.target import Changes, PlannedMigration
from estiba.digest import Digest
from estiba.errors import DeployError, TargetError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from estiba.deploy.host.closure import HostClosure
    from estiba.deploy.host.processes import Processes
    from estiba.deploy.host.state.revisions import Revision
    from estiba.deploy.host.supervise.program import Programs
    from estiba.release_manifest import ReleaseManifest


def plan(
    processes: Processes,
    manifest: ReleaseManifest,
    closure: HostClosure,
    *,
    current: Revision | None,
    programs: Programs | None,
) -> Changes:
    """Return what a deployment of a release would change.

    Args:
        processes: Processes of the target.
        manifest: Manifest of the release.
        closure: Host closure of the release.
        current: Revision that is served, or None.
        programs: Programs of the release in the environment of the target; None where nothing is served.

    Raises:
        TargetError: The pending migrations cannot be told.
    """
    installed = processes.runit.installed(f"web-{current.slot}") if current else {}
    wanted = programs.env if programs else dict.fromkeys(environment.names(processes.settings, closure), "")
    has_other_env = bool(programs) and dict(installed.get("env", {})) != dict(wanted)
    is_served = current is not None and current.closure.path == closure.path and not has_other_env
    is_pending = not is_served or not processes.runit.is_up("nginx")
    pending = _find_pending(processes, manifest, current, programs) if not is_served else ()
    before = list(_describe(processes, current.closure, installed.get("env", {}), {})) if current else []
    after = list(_describe(processes, closure, wanted, installed.get("env", {})))
    diff = difflib.unified_diff(before, after, "served", "planned", lineterm="", n=1)
    return Changes(
        is_pending=is_pending,
        before=current.to_release() if current else None,
        migrations=pending,
        diff="\n".join(diff),
        commands=_list_commands(processes, closure, pending) if is_pending else (),
        state={
            "digest": str(current.closure.digest) if current else "",
            # With SECRET_KEY in it, nobody can try values against the digest; without a deployment it has names alone.
            "environment": str(Digest.of_bytes(json.dumps(dict(wanted), sort_keys=True).encode())),
            "revision": str(current.number) if current else "0",
        },
    )


def _find_pending(
    processes: Processes, manifest: ReleaseManifest, current: Revision | None, programs: Programs | None
) -> tuple[PlannedMigration, ...]:
    """Return the migrations that the database lacks; without a running one, those that the served release has not."""
    if programs and processes.runit.is_up("postgresql"):
        try:
            return migrations.find_pending(processes, programs, name="plan")
        except DeployError as error:
            raise TargetError(error.message, hint=error.hint) from error
    known, found = None, manifest.migrations
    if current:
        known = processes.revisions.releases.load(current.closure.path).manifest
        if known is None:
            msg = (
                "PostgreSQL does not run, and the release that is served was deployed without a manifest, so which "
                "migrations the database has cannot be told"
            )
            raise TargetError(msg, hint="invoke deploy of what is served starts it")
    return tuple(
        PlannedMigration(
            name=name,
            # Nobody is there yet whom it could harm.
            contracts=found.contracts.get(name, ()) if known else (),
            irreversible=found.irreversible.get(name, ()),
        )
        for name in (found.since(known.migrations) if known else found.names)
    )


def _describe(
    processes: Processes, closure: HostClosure, env: Mapping[str, str], before: Mapping[str, str]
) -> Iterator[str]:
    """Yield lines that describe a release on the target; of the environment the names, and whether a value changes."""
    yield f"service {closure.service} {closure.version}"
    yield f"commit {closure.revision or 'none'}"
    yield f"lock {closure.lock}"
    yield f"postgresql data {closure.postgresql}"
    yield from (f"server {name} {version}" for name, version in sorted(closure.versions.items()))
    for process in sorted(closure.processes, key=lambda one: one.name):
        yield f"process {process.name}" + (f": {shlex.join(process.command)}" if process.command else "")
    yield from (f"probe manage.py {name}" for name in closure.probes)
    yield f"static {closure.static[0] if closure.static else 'none'}"
    yield f"media {closure.media}"
    if processes.systemd.is_possible:
        yield f"unit {processes.systemd.name}"
    for name in sorted(env):
        yield f"env {name} (another value)" if name in before and before[name] != env[name] else f"env {name}"


def _list_commands(
    processes: Processes, closure: HostClosure, pending: tuple[PlannedMigration, ...]
) -> tuple[tuple[str, ...], ...]:
    entry = closure.entrypoint
    migrate = ((*entry, "migrate"),) if pending else ()
    profile = ("nix-env", "--profile", str(processes.revisions.profile), "--set", str(closure.path))
    started = tuple((*entry, one.name) for one in closure.processes)
    probes = tuple((*entry, "manage", name) for name in closure.probes)
    return (*migrate, *started[:1], profile, *started[1:], *probes)
