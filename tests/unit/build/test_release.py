from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from tests.recording import RecordingRunner
from tests.unit.build.test_oci_image import settings
from tests.unit.test_release_manifest import MANIFEST

from estiba import release_manifest
from estiba.build import release
from estiba.release_manifest import Contents

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("hermetic", [True, False])
def test_manifest_says_whether_the_build_was_hermetic(tmp_path: Path, *, hermetic: bool) -> None:
    """The file is the same either way; who builds adds what Nix was set to."""
    (tmp_path / "flake.nix").touch()
    out = tmp_path / "out"
    out.mkdir()
    (out / release_manifest.FILE_NAME).write_text(release_manifest.render(MANIFEST))
    built = json.dumps([{"drvPath": "/nix/store/x.drv", "outputs": {"out": str(out)}}])
    shown = json.dumps({"sandbox": {"value": hermetic}, "sandbox-fallback": {"value": False}})
    runner = RecordingRunner(built, shown)

    found = release.build(tmp_path, Contents.HOST, settings(tmp_path, flake=""), runner=runner)

    assert found == MANIFEST.with_gate("sandbox", {"hermetic": hermetic})
    assert runner.calls[0][:3] == ["nix", "build", f"{tmp_path}#release-host"]
    assert runner.calls[0][4:6] == ["--out-link", str(tmp_path / ".estiba/release")]
