"""What gates look at, made by hand."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, cast

from estiba import config
from estiba.digest import Digest
from estiba.process import run
from estiba.release import settings
from estiba.release.gates.gate import Context
from estiba.release_manifest import Migrations, ReleaseManifest
from estiba.service import project as projects

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from estiba.deploy.target import Target
    from estiba.process import Runner

COMMIT: Final = "c" * 40
NOW: Final = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
_PYPROJECT: Final = '[project]\nname = "shop"\nversion = "1"\ndependencies = []\n[tool.estiba]\nmanage = ""\n'


@dataclass
class Harbour:
    """A target that has some variables and some room.

    Attributes:
        names: Names of the variables.
        reasons: Reasons why it cannot take a release.
    """

    names: frozenset[str] = field(default_factory=lambda: frozenset({"SECRET_KEY", "DATABASE_URL"}))
    reasons: tuple[str, ...] = ()

    def variables(self) -> frozenset[str]:
        """Return the names."""
        return self.names

    def check(self, manifest: ReleaseManifest) -> tuple[str, ...]:
        """Return the reasons."""
        del manifest
        return self.reasons


def make_context(
    folder: Path,
    *,
    gates: Mapping[str, Any] | None = None,
    commit: str = COMMIT,
    target: object = None,
    runner: Runner = run,
    hermetic: bool = True,
) -> Context:
    """Return what gates look at, for a service without code."""
    if not (folder / "pyproject.toml").exists():
        (folder / "pyproject.toml").write_text(_PYPROJECT)
    project = projects.load(folder)
    nothing = Migrations(heads={}, names=(), contracts={}, irreversible={})
    manifest = ReleaseManifest(
        service="shop",
        version="1",
        commit=commit,
        lock=Digest.of_bytes(b""),
        migrations=nothing,
        image=None,
        host=None,
        gates={"sandbox": {"hermetic": hermetic}},
    )
    known = settings.parse(project)
    return Context(
        folder=folder,
        project=project,
        config=config.load(),
        settings=settings.Settings(
            **{name: getattr(known, name) for name in known.__slots__ if name != "gates"}, gates=gates or {}
        ),
        manifest=manifest,
        name="production",
        target=cast("Target", target or Harbour()),
        runner=runner,
        on_status=lambda _: None,
        now=NOW,
    )
