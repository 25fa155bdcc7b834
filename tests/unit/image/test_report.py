"""A report counts every layer once, and its picture can be read without colours."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from tests import ocilayout

from estiba.digest import Digest
from estiba.image import layer_chart, layout, report
from estiba.image.manifest import ImageConfig

if TYPE_CHECKING:
    from pathlib import Path

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def found(tmp_path: Path) -> report.Report:
    """Report on a layout."""
    return report.of_layout(layout.read(ocilayout.write(tmp_path / "image", ocilayout.service(), name="a&<b>")))


def test_shared_layers_count_once(found: report.Report) -> None:
    """The size of the whole is what a registry keeps."""
    amd64, arm64 = found.images
    shared = sum(layer.size for layer in amd64.layers if layer.is_shared)
    assert [layer.is_shared for layer in amd64.layers] == [False, True, True]
    assert found.size == amd64.size + arm64.size - shared
    assert sum(layer.share for layer in amd64.layers) == pytest.approx(1)


def test_table(found: report.Report) -> None:
    """The table has a row for each layer of each platform."""
    rows = report.rows(found)
    assert len(rows) == 6
    assert rows[1][:2] == ("linux/amd64", "python-django")
    assert rows[1][4] == "django 5.2.1"
    assert len(rows[0]) == len(report.HEADER)


def test_to_dict_is_plain(found: report.Report) -> None:
    """The JSON form names platforms, layers and digests."""
    data = found.to_dict()
    assert data["digest"] == str(found.digest)
    assert [platform["platform"] for platform in data["platforms"]] == ["linux/amd64", "linux/arm64"]
    assert data["platforms"][0]["layers"][2]["name"] == "application"


def test_picture_is_well_formed(found: report.Report) -> None:
    """The picture is XML with a title and a description, and refers to nothing outside."""
    text = layer_chart.render(found)
    root = ET.fromstring(text)  # noqa: S314 - our own text
    assert root.find(f"{SVG}title").text == "Layers of a&<b>"  # type: ignore[union-attr]
    assert "linux/arm64" in (root.find(f"{SVG}desc").text or "")  # type: ignore[union-attr]
    assert root.get("aria-labelledby") == "title description"
    assert "href" not in text
    assert "@import" not in text
    assert not list(root.iter(f"{SVG}script"))
    assert layer_chart.render(found) == text


def test_picture_stays_inside(found: report.Report) -> None:
    """No bar leaves the paper, and all bars of a platform fill its width."""
    root = ET.fromstring(layer_chart.render(found))  # noqa: S314 - our own text
    bars = [bar for bar in root.iter(f"{SVG}rect") if bar.get("height") == "44"]
    assert len(bars) == 6
    assert max(float(bar.get("x", "0")) + float(bar.get("width", "0")) for bar in bars) == pytest.approx(926.5, abs=0.2)


@pytest.mark.parametrize("sizes", [[1], [1, 1, 1], [10**9, 1, 1], [0, 0], [5] * 400])
def test_widths_add_up(sizes: list[int]) -> None:
    """Even the smallest layer can be seen, and together they fill the bar."""
    widths = layer_chart.widths(sizes, 900)
    assert sum(widths) == pytest.approx(900)
    assert min(widths) > 2


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0.0 kB"), (99_949, "99.9 kB"), (100_000, "0.1 MB"), (21_600_000, "21.6 MB")]
)
def test_megabytes(size: int, text: str) -> None:
    """Sizes are written in decimal units, as registries do."""
    assert report.megabytes(size) == text


@pytest.mark.parametrize(
    ("share", "text"), [(0, "0%"), (0.0001, "<1%"), (0.009, "<1%"), (0.01, "1%"), (0.28, "28%"), (1, "100%")]
)
def test_percent(share: float, text: str) -> None:
    """What is there is never nothing."""
    assert report.percent(share) == text


def test_history_of_other_builders() -> None:
    """Another builder's history tells commands; missing entries are empty."""
    digest = str(Digest.of_bytes(b""))
    history = [
        {"created_by": "COPY . /app", "comment": "buildkit"},
        {"created_by": "ENV A=1", "empty_layer": True},
        {"created_by": "estiba static", "comment": "files"},
    ]
    config = ImageConfig.from_dict(
        {"os": "linux", "architecture": "amd64", "rootfs": {"diff_ids": [digest] * 3}, "history": history}
    )
    assert config.history == (("", "COPY . /app"), ("static", "files"), ("", ""))
