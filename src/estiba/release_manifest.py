"""The release manifest: the build results of a commit, and the only input of a deployment.

The format is described in docs/release-manifest.md.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from estiba.digest import Digest
from estiba.errors import ReleaseError

if TYPE_CHECKING:
    from collections.abc import Mapping

FILE_NAME: Final = "release.json"
FORMAT: Final = 2


class Contents(Enum):
    """Contents of a release; the value is the flake output that builds it."""

    ALL = "release"
    HOST = "release-host"
    IMAGE = "release-image"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseImage:
    """OCI image of a release.

    Attributes:
        digest: Digest of the image index.
        path: Store path of the OCI layout.
        platforms: Digest of each platform's image manifest, by OCI platform such as `linux/arm64/v8`.
    """

    digest: Digest
    path: Path
    platforms: Mapping[str, Digest]


@dataclass(frozen=True, slots=True, kw_only=True)
class Migrations:
    """Django migrations of a release.

    Attributes:
        heads: Names of the leaf migrations, by app label; no other migration of the app depends on them.
        names: Names of all migrations as `app_label.name`, each after those that it depends on.
        contracts: Reasons why a migration breaks the code of the release before, by `app_label.name`; only contracting
            migrations are in it.
        irreversible: Reasons why a migration cannot be taken back, by `app_label.name`; only such migrations are in it.
    """

    heads: Mapping[str, tuple[str, ...]]
    names: tuple[str, ...]
    contracts: Mapping[str, tuple[str, ...]]
    irreversible: Mapping[str, tuple[str, ...]]

    def since(self, other: Migrations) -> tuple[str, ...]:
        """Return the names of the migrations that an earlier release has not, in their order."""
        known = set(other.names)
        return tuple(name for name in self.names if name not in known)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseManifest:
    """Release manifest: the build results of a commit; a build writes it, and a deployment reads nothing else.

    Attributes:
        service: Name of the service.
        version: Version of the service.
        commit: Git commit, followed by `-dirty` if the source had uncommitted changes; empty outside of a repository.
        lock: Digest of the lock file.
        migrations: Django migrations.
        image: OCI image, or None if none was built.
        host: Store path of the closure for host targets, or None if none was built.
        gates: Evidence of each passed gate, by gate name; a build leaves it empty.
        uploads: Whether static files are kept on another machine, such as S3, where each release brings its own.
    """

    service: str
    version: str
    commit: str
    lock: Digest
    migrations: Migrations
    image: ReleaseImage | None
    host: Path | None
    gates: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    uploads: bool = False

    def with_gate(self, name: str, evidence: Mapping[str, Any]) -> ReleaseManifest:
        """Return a copy of the manifest with the evidence of one more gate."""
        return replace(self, gates={**self.gates, name: dict(evidence)})

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        image = self.image
        return {
            "commit": self.commit,
            "format": FORMAT,
            "gates": {name: dict(evidence) for name, evidence in self.gates.items()},
            "host": str(self.host) if self.host else None,
            "image": image
            and {
                "digest": str(image.digest),
                "path": str(image.path),
                "platforms": {name: str(digest) for name, digest in image.platforms.items()},
            },
            "lock": str(self.lock),
            "migrations": {
                "contracts": {name: list(reasons) for name, reasons in self.migrations.contracts.items()},
                "heads": {app: list(names) for app, names in self.migrations.heads.items()},
                "irreversible": {name: list(reasons) for name, reasons in self.migrations.irreversible.items()},
                "names": list(self.migrations.names),
            },
            "service": self.service,
            "uploads": self.uploads,
            "version": self.version,
        }


def render(manifest: ReleaseManifest) -> str:
    """Return a manifest as JSON; equal manifests give the same bytes."""
    return json.dumps(manifest.to_dict(), sort_keys=True, indent=1) + "\n"


def load(path: Path) -> ReleaseManifest:
    """Read a manifest from a file.

    Raises:
        ReleaseError: The file is missing, has another format version, or has missing or invalid fields.
    """
    try:
        return parse(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path} cannot be read: {error}"
        raise ReleaseError(msg, hint="invoke deploy builds the release and writes it") from error
    except ReleaseError as error:
        msg = f"{path}: {error.message}"
        raise ReleaseError(msg, hint=error.hint) from error


def parse(text: str) -> ReleaseManifest:
    """Parse a manifest.

    Raises:
        ReleaseError: The text is not JSON, has another format version, or has missing or invalid fields.
    """
    hint = "build the release again with this Estiba"
    try:
        data = json.loads(text)
        found = data.get("format") if isinstance(data, dict) else None
        if found != FORMAT:
            msg = f"a release manifest of format {found!r}, this Estiba reads {FORMAT}"
            raise ReleaseError(msg, hint=hint)
        return ReleaseManifest(
            service=_text(data["service"]),
            version=_text(data["version"]),
            commit=_text(data["commit"]),
            lock=Digest.parse(data["lock"]),
            migrations=Migrations(
                heads=_texts(data["migrations"]["heads"]),
                names=tuple(map(_text, data["migrations"]["names"])),
                contracts=_texts(data["migrations"]["contracts"]),
                irreversible=_texts(data["migrations"]["irreversible"]),
            ),
            image=_image(data["image"]) if data["image"] else None,
            host=Path(_text(data["host"])) if data["host"] else None,
            gates={name: dict(evidence) for name, evidence in data["gates"].items()},
            # A release of before does not say it.
            uploads=data.get("uploads") is True,
        )
    # A field of the wrong type raises one of these, depending on where it is; the message says more than the class.
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        msg = f"not a release manifest: {type(error).__name__}: {error}"
        raise ReleaseError(msg, hint=hint) from error


def _image(data: Mapping[str, Any]) -> ReleaseImage:
    return ReleaseImage(
        digest=Digest.parse(data["digest"]),
        path=Path(_text(data["path"])),
        platforms={name: Digest.parse(digest) for name, digest in data["platforms"].items()},
    )


def _texts(data: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    return {name: tuple(map(_text, texts)) for name, texts in data.items()}


def _text(value: object) -> str:
    if not isinstance(value, str):
        msg = f"{value!r} is not a string"
        raise TypeError(msg)
    return value
