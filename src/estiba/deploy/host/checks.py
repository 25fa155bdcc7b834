"""Checks before a deployment, of disk, data and ports, and the smoke tests after it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from estiba import files
from estiba.deploy.host import closure as closures
from estiba.deploy.host.environment import REDIS_ADDRESS
from estiba.deploy.host.servers import ports, postgresql
from estiba.deploy.host.supervise import readiness
from estiba.errors import ConfigError, DeployError, TargetError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from estiba.deploy.host.closure import HostClosure
    from estiba.deploy.host.processes import Processes
    from estiba.deploy.host.state.folder import StateFolder
    from estiba.deploy.host.supervise.program import Programs
    from estiba.endpoint import Endpoint
    from estiba.release_manifest import ReleaseManifest

_SPACE: Final = 100 * 2**20
"""Free bytes on disk that a deployment needs to begin."""

_PROBE_LIMIT: Final = 30.0
_BY_HTTPS: Final = "by HTTPS"
_TLS_HINT: Final = (
    "set tls, or name the proxy that ends TLS in trusted-proxies of the target; without one, set SECURE_SSL_REDIRECT to"
    " False there"
)


def load_closure(manifest: ReleaseManifest, store: Path) -> HostClosure:
    """Load the host closure that a manifest names.

    Args:
        manifest: Manifest of the release.
        store: Folder of the Nix store, for the error.

    Raises:
        TargetError: The manifest has none, or it is not in this machine's store.
    """
    if manifest.host is None:
        msg = f"the release {manifest.version} of {manifest.service} was built without a host closure"
        raise TargetError(msg, hint="invoke deploy builds it")
    if not manifest.host.exists():
        msg = f"the release's programs lie in {store}, and start only where {manifest.host} is in place"
        raise TargetError(msg, hint="run the command inside ./nixw develop")
    return closures.load(manifest.host)


def check_space(folder: StateFolder) -> None:
    """Check that there is room for a deployment.

    Raises:
        TargetError: Less than `_SPACE` is free.
    """
    if (left := folder.space()) < _SPACE:
        msg = f"the disk of {folder.path} has only {left // 2**20} MB left, {_SPACE // 2**20} MB are needed"
        raise TargetError(msg, hint="free some space; nix store gc drops what no project uses")


def check_data_and_ports(processes: Processes, closure: HostClosure) -> None:
    """Check before any change what would fail later.

    Raises:
        ConfigError: `internal` or `published` names a folder that is not kept.
        TargetError: The data is of another PostgreSQL version, or a port is taken.
    """
    _check_data(processes, closure)
    processes.check_ports()


def find_problems(
    processes: Processes, manifest: ReleaseManifest, store: Path, check_tls: Callable[[HostClosure], None]
) -> tuple[str, ...]:
    """Return the reasons why a target could not take a release now; unlike a deployment, creates and chooses nothing.

    Args:
        processes: Processes of the target.
        manifest: Manifest of the release.
        store: Folder of the Nix store.
        check_tls: Check of what the target needs for TLS, given the release.
    """
    found = []
    questions: list[Callable[[], object]] = [
        lambda: _check_data(processes, load_closure(manifest, store)),
        lambda: check_space(processes.folder),
        lambda: _check_ports(processes),
        lambda: check_tls(load_closure(manifest, store)),
    ]
    for ask in questions:
        try:
            ask()
        except (ConfigError, TargetError, DeployError) as error:
            found.append(f"{error.message}; {error.hint}" if error.hint else error.message)
    # A release that cannot be loaded is a reason once.
    return tuple(dict.fromkeys(found))


def smoke(processes: Processes, endpoint: Endpoint, closure: HostClosure) -> None:
    """Request the readiness page and the pages of `smoke` of a release.

    Raises:
        DeployError: One does not answer as it should; the message names all of them.
    """
    problems = [problem for path in processes.settings.smoke if (problem := endpoint.problem(path))]
    path = readiness.find_path(processes, closure)
    if not readiness.is_ready(endpoint, path, processes.settings.ready):
        problems.append(f"{path} says that the release is not ready")
    if problems:
        msg = f"the release does not work: {'; '.join(problems)}"
        raise DeployError(msg, hint=_TLS_HINT if any(_BY_HTTPS in problem for problem in problems) else "")


def probe(processes: Processes, programs: Programs) -> None:
    """Run the management commands of a release that are smoke tests.

    Raises:
        DeployError: One failed.
    """
    for name in programs.closure.probes:
        ran = processes.command(programs, ["manage", name], limit=_PROBE_LIMIT)
        if not ran.has_passed:
            msg = f"manage.py {name} failed:\n{ran.tail()}"
            raise DeployError(msg)


def advise(processes: Processes, project: Path) -> Iterator[str]:
    """Yield warnings about settings that work now but may fail or leak later."""
    if advice := processes.systemd.advice():
        yield advice
    settings = processes.settings
    for file in (settings.env_file, settings.tls.key if settings.tls else None):
        yield from advise_file(file, project)


def advise_file(file: Path | None, project: Path) -> Iterator[str]:
    """Yield a warning about a file of secrets that Nix copies into its store with the service's folder."""
    service = project.resolve()
    if file and file.is_relative_to(service) and not files.find_repository(service):
        yield f"{file} lies in a folder that Nix copies into its store, for everybody to read; keep it elsewhere"


def _check_data(processes: Processes, closure: HostClosure) -> None:
    postgresql.check(processes.folder, closure)
    settings = processes.settings
    asked = dict.fromkeys(settings.internal.values(), "internal")
    asked |= {one.folder: "published" for one in settings.published}
    if unknown := sorted({*asked} - {*closure.persist}):
        problems = [f"{asked[one]!r} has {one!r}, which is not in 'persist' of [tool.estiba]" for one in unknown]
        where = f"pyproject.toml [tool.estiba.targets.{settings.name}]"
        raise ConfigError(where, problems)


def _check_ports(processes: Processes) -> None:
    settings = processes.settings
    # Without a setting, `Processes.check_ports` would choose a port and write it down.
    if processes.folder.path.exists() and (settings.port or processes.has_port):
        processes.check_ports()
        return
    if settings.port:
        ports.check(settings.address, settings.port)
    if settings.redis_port:
        ports.check(REDIS_ADDRESS, settings.redis_port, setting="redis-port")
