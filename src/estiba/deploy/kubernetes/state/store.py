"""The releases of a target and its logbook: a ConfigMap of its namespace, which is no part of the Helm release.

The logbook is a hash chain of records. A ConfigMap holds 1 MiB, so that the older half of it moves to one of its own
from time to time, which is immutable: the API server takes no change to it, whoever asks.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from estiba import release_manifest
from estiba.deploy import chain
from estiba.deploy.logbook import Record
from estiba.deploy.target import Release
from estiba.errors import LogbookError, ReleaseError, TargetError
from estiba.redaction import redact_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from estiba.deploy.kubernetes.client.helm import Helm
    from estiba.deploy.kubernetes.client.kubectl import Kubectl
    from estiba.imageref import ImageRef
    from estiba.release_manifest import ReleaseManifest

_FULL: Final = 64 * 1024
"""Characters of the logbook, in the ConfigMap that is written at each step, from which half of it moves."""

_LABELS: Final[Mapping[str, str]] = {"app.kubernetes.io/managed-by": "estiba"}
_OF: Final = "estiba/logbook"
"""Label of the ConfigMaps that hold what has moved, with the name of the first one."""

_JOURNAL: Final = "journal.json"
_LOGBOOK: Final = "logbook.jsonl"
_RECORD: Final = "record"
_RELEASES: Final = "releases.json"
_EMPTY: Final[Mapping[str, str]] = {_JOURNAL: "null", _LOGBOOK: "", _RELEASES: "{}"}

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """Revision of the Helm release with what it was made from.

    Attributes:
        number: Number of the revision.
        manifest: Release manifest.
        fingerprint: Digest of chart, values and image.
        is_verified: Whether it has passed the smoke tests.
        origin: Number of the revision that a rollback has returned to; that of itself for any other.
    """

    number: int
    manifest: ReleaseManifest
    fingerprint: str
    is_verified: bool
    origin: int

    def image(self, repository: ImageRef) -> ImageRef:
        """Return the reference of its image in a repository.

        Raises:
            TargetError: It has none.
        """
        if self.manifest.image is None:
            msg = f"the release {self.manifest.version} of {self.manifest.service} has no image"
            raise TargetError(msg)
        return repository.at(self.manifest.image.digest)

    def to_release(self) -> Release:
        """Return it as a target reports it."""
        manifest = self.manifest
        digest = str(manifest.image.digest) if manifest.image else ""
        return Release(number=self.number, digest=digest, version=manifest.version, commit=manifest.commit)


@dataclass(slots=True, kw_only=True)
class Store:
    """Contents of the ConfigMap; implements `estiba.deploy.logbook.Logbook`.

    Attributes:
        kubectl: kubectl for the namespace.
        name: Name of the ConfigMap.
        releases: Known revisions by number.
        journal: Record of the command in progress, or None.
        lines: Records of commands that have ended, oldest first, as lines of the chain; its end, see `chain`.
    """

    kubectl: Kubectl
    name: str
    releases: dict[int, Deployed] = field(default_factory=dict)
    journal: Record | None = None
    lines: list[str] = field(default_factory=list)
    _object: dict[str, Any] | None = None

    @classmethod
    def load(cls, kubectl: Kubectl, name: str) -> Store:
        """Read the ConfigMap, which need not exist.

        Raises:
            TargetError: The cluster cannot be reached, or the ConfigMap is damaged.
        """
        found = kubectl.get("configmap", name)
        data = (found or {}).get("data") or {}
        store = cls(kubectl=kubectl, name=name, _object=found)
        try:
            store.releases = {int(key): _parse(int(key), one) for key, one in json.loads(_of(data, _RELEASES)).items()}
            known = json.loads(_of(data, _JOURNAL))
            store.journal = Record.from_dict(known) if known else None
            store.lines = _of(data, _LOGBOOK).splitlines()
            store.records()
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, LogbookError, ReleaseError) as error:
            msg = f"ConfigMap {name} in namespace {kubectl.namespace} is damaged: {error}"
            hint = f"kubectl --namespace={kubectl.namespace} edit configmap {name}"
            raise TargetError(msg, hint=hint) from error
        return store

    def last_verified(self, below: int = 0) -> Deployed | None:
        """Return the newest verified revision, or the newest one below a number."""
        numbers = [number for number, one in self.releases.items() if one.is_verified and (not below or number < below)]
        return self.releases[max(numbers)] if numbers else None

    def unverified(self) -> Deployed | None:
        """Return the newest revision if nobody has verified it: what a failed or killed command has left."""
        last = self.releases[max(self.releases)] if self.releases else None
        return None if last is None or last.is_verified else last

    def forget_uninstalled(self, helm: Helm) -> Store:
        """Return this without its revisions where Helm counts from 1 again: somebody has uninstalled the release.

        Raises:
            TargetError: The cluster cannot be reached, or refuses.
        """
        served = self.last_verified()
        if served and served.number > max((one.number for one in helm.history()), default=0):
            self.releases.clear()
        return self

    def add(self, release: Deployed, keep: int) -> None:
        """Add a revision, and forget the oldest ones above a number of verified ones."""
        self.releases[release.number] = release
        verified = sorted((number for number, one in self.releases.items() if one.is_verified), reverse=True)
        oldest = verified[min(keep, len(verified)) - 1] if verified else 0
        self.releases = {number: one for number, one in self.releases.items() if number >= oldest}

    def open(self, record: Record) -> None:
        """Write the record of the command in progress."""
        self.journal = record
        self.save()

    def interrupted(self) -> Record | None:
        """Return the record of a command that was killed, or None; asked by who holds the lock."""
        return self.journal

    def close(self, record: Record) -> None:
        """Append the record of a command that has ended, and clear the journal."""
        self._add(record)
        self.journal = None
        self.save()

    def append(self, record: Record) -> None:
        """Append a record; the journal stays."""
        self._add(record)
        self.save()

    def chain(self) -> list[str]:
        """Return all lines of the logbook, those that have moved first.

        Raises:
            TargetError: The cluster cannot be reached, or refuses.
        """
        moved = self.kubectl.list("configmaps", {_OF: self.name})
        texts = [
            _of(one.get("data") or {}, _LOGBOOK) for one in sorted(moved, key=lambda one: str(one["metadata"]["name"]))
        ]
        # A command that was killed while half of it moved has left that in both.
        return list(dict.fromkeys([*(line for text in texts for line in text.splitlines()), *self.lines]))

    def records(self) -> list[Record]:
        """Return the records of the last commands that have ended, oldest first."""
        return [Record.from_dict(chain.parse(line)[_RECORD]) for line in self.lines]

    def save(self) -> None:
        """Write the ConfigMap, unless somebody else has changed it since it was read.

        Raises:
            BusyError: Somebody has.
            TargetError: The cluster cannot be reached, or refuses.
        """
        data = {
            _JOURNAL: json.dumps(self.journal.to_dict() if self.journal else None, sort_keys=True),
            _LOGBOOK: "".join(f"{line}\n" for line in self.lines),
            _RELEASES: json.dumps({str(number): _render(one) for number, one in self.releases.items()}, sort_keys=True),
        }
        metadata = {"name": self.name, "labels": _LABELS}
        document = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
        if self._object is None:
            self._object = self.kubectl.create(document)
        else:
            self._object = self.kubectl.replace({**document, "metadata": self._object["metadata"]})

    def _add(self, record: Record) -> None:
        # Whoever may read the namespace's ConfigMaps may not read its Secrets.
        told = replace(record, reason=redact_text(record.reason))
        self.lines.append(chain.seal({_RECORD: told.to_dict()}, self.lines))
        if sum(map(len, self.lines)) > _FULL and (older := self.lines[: len(self.lines) // 2]):
            try:
                self._move(older)
            except TargetError as error:
                # There is room for years; what was done is done, and not to be told as a failure.
                _log.warning("the logbook of namespace %s grows: %s", self.kubectl.namespace, error.message)

    def _move(self, lines: list[str]) -> None:
        """Write the older half of the logbook to a ConfigMap that nobody can change, and keep the other one."""
        name = f"{self.name}-log-{chain.parse(lines[0])['number']:08}"
        found = self.kubectl.get("configmap", name)
        # What a command has moved that was killed then may be another half than this one.
        moved = lines if found is None else _of(found.get("data") or {}, _LOGBOOK).splitlines()
        if not 0 < len(moved) < len(self.lines) or moved != self.lines[: len(moved)]:
            msg = f"ConfigMap {name} has other records"
            raise TargetError(msg)
        if found is None:
            self.kubectl.create(
                {
                    "apiVersion": "v1",
                    "kind": "ConfigMap",
                    "metadata": {"name": name, "labels": {**_LABELS, _OF: self.name}},
                    "data": {_LOGBOOK: "".join(f"{line}\n" for line in lines)},
                    "immutable": True,
                }
            )
        self.lines = self.lines[len(moved) :]


def _of(data: Mapping[str, str], key: str) -> str:
    return data.get(key) or _EMPTY[key]


def _parse(number: int, data: Mapping[str, Any]) -> Deployed:
    return Deployed(
        number=number,
        manifest=release_manifest.parse(json.dumps(data["manifest"])),
        fingerprint=str(data["fingerprint"]),
        is_verified=bool(data["verified"]),
        origin=int(data["origin"]),
    )


def _render(release: Deployed) -> dict[str, Any]:
    return {
        "fingerprint": release.fingerprint,
        "manifest": release.manifest.to_dict(),
        "origin": release.origin,
        "verified": release.is_verified,
    }
