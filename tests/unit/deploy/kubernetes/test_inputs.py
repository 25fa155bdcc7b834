from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

from estiba.deploy.kubernetes import inputs, settings
from estiba.digest import Digest
from estiba.imageref import ImageRef
from estiba.publish import chart as charts

if TYPE_CHECKING:
    from pathlib import Path

DIGEST = Digest.of_bytes(b"image")
IMAGE = ImageRef.parse(f"registry.example/team/shop@{DIGEST}")


def prepare(folder: Path, *, alias: str = "") -> inputs.Inputs:
    """Return the inputs of a target with a file of values, and with a chart that depends on Estiba's by an alias."""
    chart = ""
    if alias:
        dependency = {"name": charts.NAME, "version": "0.1.0", "alias": alias}
        described = {"name": "shop", "version": "1.0.0", "dependencies": [dependency]}
        (folder / "chart").mkdir()
        (folder / "chart" / "Chart.yaml").write_text(yaml.safe_dump(described))
        chart = "chart"
    (folder / "values.yaml").write_text("hosts: []\n")
    table = {"image": "registry.example/team/shop", "values": ["values.yaml"], **({"chart": chart} if chart else {})}
    return inputs.prepare_image(settings.parse("production", table, folder=folder, service="shop"), IMAGE)


@pytest.mark.parametrize(("alias", "prefix"), [("", "image"), ("web", "web.image")])
def test_command_of_a_plan_can_be_run_later(tmp_path: Path, alias: str, prefix: str) -> None:
    """What the release decides is in the options themselves, after the files: no file is made that a kill leaves."""
    assert prepare(tmp_path, alias=alias).values == (
        f"--values={tmp_path / 'values.yaml'}",
        f"--set-string={prefix}.digest={DIGEST}",
        f"--set-string={prefix}.repository=registry.example/team/shop",
    )


def test_fingerprint_tells_of_a_change_in_the_values(tmp_path: Path) -> None:
    """A file of values counts by its content, not by its place."""
    (here := tmp_path / "here").mkdir()
    (there := tmp_path / "there").mkdir()
    first = prepare(here)
    again = prepare(there)
    (here / "values.yaml").write_text("hosts: [shop.example]\n")
    table = {"image": "registry.example/team/shop", "values": ["values.yaml"]}
    changed = inputs.prepare_image(settings.parse("production", table, folder=here, service="shop"), IMAGE)

    assert first.fingerprint == again.fingerprint
    assert first.fingerprint != changed.fingerprint
