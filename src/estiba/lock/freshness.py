"""Whether a lock belongs to the service as it is now."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from estiba.digest import Digest
from estiba.errors import StaleLockError
from estiba.lock import integrity, model
from estiba.lock.debian.request import Request
from estiba.lock.files import read
from estiba.lock.model import FILE_NAME
from estiba.lock.python.pins import DEV_FILE, RUNTIME_FILE
from estiba.service import project as projects
from estiba.service.declarations.direct import METADATA_FILES

if TYPE_CHECKING:
    from pathlib import Path

    from estiba.lock.model import Lock
    from estiba.service.project import Project

LOCK_FILES: Final = (FILE_NAME, RUNTIME_FILE, DEV_FILE)
"""Names of the files that `invoke lock` writes together."""


def check(folder: Path) -> Lock:
    """Return the lock of the service in a folder if it is up to date.

    Raises:
        StaleLockError: There is no lock, or its inputs changed since.
        LockFormatError: The lock files were edited by hand.
    """
    project = projects.load(folder)
    before = read(folder, LOCK_FILES)
    if not before[FILE_NAME]:
        msg = f"{project.name} has no {FILE_NAME}"
        raise StaleLockError(msg, hint="invoke lock")
    found = integrity.check(before[FILE_NAME], before[RUNTIME_FILE], before[DEV_FILE])
    if found.inputs != hash_inputs(project):
        msg = f"{FILE_NAME} is stale: the requirements or settings of {project.name}, or Estiba itself, changed since"
        raise StaleLockError(msg, hint="invoke lock")
    return found


def hash_inputs(project: Project) -> Digest:
    """Return the digest of the resolver's inputs: a lock is stale if and only if they change."""
    request = make_request(project)
    inputs = {
        "version": model.VERSION,
        # The packages that Estiba itself adds: a version of Estiba that adds others makes the lock stale.
        "groups": {group: request.names(group) for group in (*groups_of(project), "build")},
        "python": project.python,
        "suite": project.suite,
        "pockets": project.pockets,
        "platforms": project.platforms,
        "runtime": project.requirements.runtime,
        "dev": project.requirements.dev,
        "constraints": project.requirements.constraints,
        **project.debian_release.describe(),
        **({"build-constraints": project.build_constraints} if project.build_constraints else {}),
        **_describe_origins(project),
    }
    return Digest.of_bytes(json.dumps(inputs, sort_keys=True).encode())


def _describe_origins(project: Project) -> dict[str, list[str]]:
    """Return where packages come from beside pip's indexes, with the metadata of those in folders of the service."""
    found: dict[str, list[str]] = {}
    for source in project.requirements.sources:
        files = (project.folder / source.path / name for name in METADATA_FILES if source.path)
        texts = sorted(f"{file.name} {Digest.of_file(file)}" for file in files if file.is_file())
        found.setdefault("sources", []).append(" ".join([source.name, str(source), *texts]))
    for index in project.requirements.indexes:
        found.setdefault("indexes", []).append(" ".join([index.url, index.rank, *index.projects]))
    return found


def groups_of(project: Project) -> tuple[str, ...]:
    """Return the groups of Debian packages that are resolved for every lock; `build` is added if there are sdists."""
    prepare = ("prepare",) if project.prepare and project.debian_build else ()
    frontend = ("frontend",) if project.frontend else ()
    return ("base", "service", "check", *prepare, *frontend)


def make_request(project: Project) -> Request:
    """Return the request for the Debian packages of a service."""
    return Request(
        python=project.python,
        suite=project.suite,
        platforms=project.platforms,
        service=project.debian,
        build=project.debian_build,
        postgresql=project.postgresql,
        has_acme=any(table.get("tls") == "acme" for table in project.targets.values()),
    )
