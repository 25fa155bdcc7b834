"""The release manifest: what was built of a commit, and all that a deployment reads (docs/release-manifest.md)."""

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
FORMAT: Final = 1


class Contents(Enum):
    """What a release holds; the value is the output of the service's flake that builds it."""

    ALL = "release"
    HOST = "release-host"
    IMAGE = "release-image"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseImage:
    """An OCI image of a release.

    Attributes:
        digest: Of its index.
        path: Store path of its OCI layout.
        platforms: Digest of each platform's manifest, by the platform in OCI's notation, such as `linux/arm64/v8`.
    """

    digest: Digest
    path: Path
    platforms: Mapping[str, Digest]


@dataclass(frozen=True, slots=True, kw_only=True)
class Migrations:
    """The migrations of a release.

    Attributes:
        heads: For each app's label the names of the migrations that no other one of the app depends on.
        contracts: For each migration, as `app.name`, that takes something away from the code before it: what.
    """

    heads: Mapping[str, tuple[str, ...]]
    contracts: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseManifest:
    """What was built of a commit; whoever builds writes one, and deployments see nothing else.

    Attributes:
        service: The service's name.
        version: Its version.
        commit: The commit, or an empty string where the source was in no repository or had changes.
        lock: Digest of the lock file.
        migrations: Its migrations.
        image: Its OCI image, or None where none was built.
        host: Store path of what a host runs, or None where none was built.
        gates: Evidence of each gate that was passed, by its name; empty from the build.
    """

    service: str
    version: str
    commit: str
    lock: Digest
    migrations: Migrations
    image: ReleaseImage | None
    host: Path | None
    gates: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def with_gate(self, name: str, evidence: Mapping[str, Any]) -> ReleaseManifest:
        """Return the manifest with the evidence of one more gate."""
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
            },
            "service": self.service,
            "version": self.version,
        }


def render(manifest: ReleaseManifest) -> str:
    """Return the text of a manifest's file; the same manifest always gives the same text."""
    return json.dumps(manifest.to_dict(), sort_keys=True, indent=1) + "\n"


def load(path: Path) -> ReleaseManifest:
    """Read a manifest from its file.

    Raises:
        ReleaseError: There is no such file, it is of another format, or something in it is missing or wrong.
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
    """Read the text of a manifest.

    Raises:
        ReleaseError: It is of another format, or something in it is missing or wrong.
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
                heads={app: tuple(map(_text, names)) for app, names in data["migrations"]["heads"].items()},
                contracts={name: tuple(map(_text, why)) for name, why in data["migrations"]["contracts"].items()},
            ),
            image=_image(data["image"]) if data["image"] else None,
            host=Path(_text(data["host"])) if data["host"] else None,
            gates={name: dict(evidence) for name, evidence in data["gates"].items()},
        )
    # A wrong type anywhere shows as one of these; which of them tells the user nothing more.
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        msg = f"not a release manifest: {type(error).__name__}: {error}"
        raise ReleaseError(msg, hint=hint) from error


def _image(data: Mapping[str, Any]) -> ReleaseImage:
    return ReleaseImage(
        digest=Digest.parse(data["digest"]),
        path=Path(_text(data["path"])),
        platforms={name: Digest.parse(digest) for name, digest in data["platforms"].items()},
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        msg = f"{value!r} is no text"
        raise TypeError(msg)
    return value
