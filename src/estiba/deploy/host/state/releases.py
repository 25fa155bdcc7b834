"""Known releases of a target: the manifest of each, and whether it has passed its smoke tests here."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from estiba.errors import EstibaError
from estiba.release_manifest import parse

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from estiba.deploy.host.state.folder import StateFolder
    from estiba.release_manifest import ReleaseManifest

_FOLDER: Final = "releases"


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Knowledge of a release.

    Attributes:
        manifest: Its release manifest, or None for a release of an earlier Estiba, which kept none.
        is_verified: Whether it has passed its smoke tests; such a release of an earlier Estiba counts as one that has.
    """

    manifest: ReleaseManifest | None = None
    is_verified: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseRecords:
    """Records of releases: `releases/NAME.json` in a state folder, NAME being that of the closure's store path."""

    folder: StateFolder

    def load(self, closure: Path) -> Known:
        """Return what is known of the release with a closure; a damaged file counts as none."""
        data = self.folder.read_state(self._file(closure))
        try:
            manifest = parse(json.dumps(data["manifest"])) if data.get("manifest") else None
        except EstibaError:
            manifest = None
        return Known(manifest=manifest, is_verified=data.get("verified", True) is not False)

    def add(self, closure: Path, manifest: ReleaseManifest) -> None:
        """Record a release before it is rolled out; one that has been verified before stays so."""
        is_verified = self._file(closure).exists() and self.load(closure).is_verified
        self._write(closure, manifest, is_verified=is_verified)

    def verify(self, closure: Path) -> None:
        """Record that a release has passed its smoke tests."""
        self._write(closure, self.load(closure).manifest, is_verified=True)

    def prune(self, closures: Iterable[Path]) -> None:
        """Delete the records of all releases but those with the given closures."""
        wanted = {self._file(closure) for closure in closures}
        for file in (self.folder.path / _FOLDER).glob("*.json"):
            if file not in wanted:
                file.unlink(missing_ok=True)

    def _file(self, closure: Path) -> Path:
        return self.folder.path / _FOLDER / f"{closure.name}.json"

    def _write(self, closure: Path, manifest: ReleaseManifest | None, *, is_verified: bool) -> None:
        data = {"manifest": manifest.to_dict() if manifest else None, "verified": is_verified}
        file = self._file(closure)
        file.parent.mkdir(exist_ok=True)
        self.folder.write(file, data)
