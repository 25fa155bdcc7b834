"""Chart of an image's layers in SVG: a bar and a table of layers for each platform."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree as ET

from estiba.image.report import megabytes, percent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from estiba.image.report import ImageReport, LayerReport, Report

_WIDTH: Final = 960
_MARGIN: Final = 32
_INNER: Final = _WIDTH - 2 * _MARGIN
_BAR: Final = 44
_ROW: Final = 24
_HEADER: Final = 84
_PLATFORM: Final = 40
_GAP: Final = 36
_NARROWEST: Final = 3.0
"""Minimum width of a layer in the bar, in pixels."""

_CHARACTER: Final = 6.6
"""Average width of a character of the labels, in pixels."""

_FIXED: Final = {
    "debian": "#475569",
    "debian-service": "#7c8aa0",
    "runtime": "#a16207",
    "application": "#ea580c",
    "static": "#16a34a",
}
_OTHERS: Final = ("#1d4ed8", "#0e7490", "#6d28d9", "#0369a1", "#4338ca", "#0f766e", "#86198f", "#1e40af")
_STYLE: Final = (
    "text { font-family: system-ui, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif; font-size: 13px; fill: #0f172a }"
    " .title { font-size: 20px; font-weight: 600 } .platform { font-size: 15px; font-weight: 600 }"
    " .quiet { fill: #64748b } .mono { font-family: ui-monospace, 'DejaVu Sans Mono', monospace; font-size: 12px }"
    " .in { fill: #ffffff; font-weight: 500 } .end { text-anchor: end } .name { font-weight: 500 }"
    " .paper { fill: #ffffff } .rule { stroke: #e2e8f0 }"
    " @media (prefers-color-scheme: dark) { text { fill: #e2e8f0 } .quiet { fill: #94a3b8 } .in { fill: #ffffff }"
    " .paper { fill: #0f172a } .rule { stroke: #334155 } }"
)


def render(report: Report) -> str:
    """Return the chart of a report as an SVG document; equal reports give the same bytes."""
    height = _HEADER + sum(_height(image) for image in report.images)
    size = {"width": str(_WIDTH), "height": str(height), "viewBox": f"0 0 {_WIDTH} {height}"}
    root = ET.Element("svg", {"xmlns": "http://www.w3.org/2000/svg", "role": "img", **size})
    root.set("aria-labelledby", "title description")
    ET.SubElement(root, "title", {"id": "title"}).text = f"Layers of {report.name}"
    ET.SubElement(root, "desc", {"id": "description"}).text = _describe(report)
    ET.SubElement(root, "style").text = _STYLE
    ET.SubElement(root, "rect", {"class": "paper", "width": "100%", "height": "100%"})
    _draw_header(root, report)
    top = _HEADER
    for image in report.images:
        _draw_image(root, image, top)
        top += _height(image)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode") + "\n"


def widths(sizes: Sequence[int], total: float) -> list[float]:
    """Divide a width in proportion to sizes, with a visible minimum width for each.

    Args:
        sizes: Sizes in any unit.
        total: Width to divide, in pixels.
    """
    whole = sum(sizes) or 1
    # Minimum widths exceed the total; the excess is taken from the others in proportion to what they have above it.
    rough = [max(_NARROWEST, total * size / whole) for size in sizes]
    excess = sum(rough) - total
    room = sum(width - _NARROWEST for width in rough)
    if room <= 0:
        return [total / len(sizes)] * len(sizes)
    return [width - excess * (width - _NARROWEST) / room for width in rough]


def _height(image: ImageReport) -> int:
    return _PLATFORM + _BAR + 16 + _ROW * len(image.layers) + _GAP


def _describe(report: Report) -> str:
    parts = []
    for image in report.images:
        layers = ", ".join(
            f"{_label(layer)} {megabytes(layer.size)} ({percent(layer.share)})" for layer in image.layers
        )
        parts.append(f"{image.platform}, {megabytes(image.size)} compressed: {layers}.")
    return " ".join(parts)


def _draw_header(root: ET.Element, report: Report) -> None:
    _text(root, report.name, x=_MARGIN, y=40, style="title")
    _text(root, str(report.digest), x=_MARGIN, y=62, style="mono quiet")
    platforms = len(report.images)
    together = f"{megabytes(report.size)} in a registry" if platforms > 1 else f"{megabytes(report.size)} compressed"
    _text(root, together, x=_WIDTH - _MARGIN, y=40, style="quiet end")


def _draw_image(root: ET.Element, image: ImageReport, top: float) -> None:
    group = ET.SubElement(root, "g")
    ET.SubElement(group, "line", {"class": "rule", **_numbers(x1=_MARGIN, x2=_WIDTH - _MARGIN, y1=top - 4, y2=top - 4)})
    _text(group, image.platform, x=_MARGIN, y=top + 24, style="platform")
    count = len(image.layers)
    summary = f"{megabytes(image.size)} compressed, {count} layer{'' if count == 1 else 's'}"
    _text(group, summary, x=_WIDTH - _MARGIN, y=top + 24, style="quiet end")
    colors = _colors(image.layers)
    _draw_bar(group, image, colors, top + _PLATFORM)
    for number, (layer, color) in enumerate(zip(image.layers, colors, strict=True)):
        _draw_row(group, layer, color, top + _PLATFORM + _BAR + 16 + _ROW * number)


def _draw_bar(group: ET.Element, image: ImageReport, colors: Sequence[str], top: float) -> None:
    left = float(_MARGIN)
    for layer, color, width in zip(
        image.layers, colors, widths([layer.size for layer in image.layers], _INNER), strict=True
    ):
        box = {"fill": color, "rx": "3", **_numbers(x=left, y=top, width=max(width - 1.5, 1.0), height=_BAR)}
        ET.SubElement(ET.SubElement(group, "rect", box), "title").text = f"{_label(layer)}: {megabytes(layer.size)}"
        if (len(_label(layer)) + 3) * _CHARACTER <= width:
            _text(group, _label(layer), x=left + 8, y=top + 19, style="in")
            _text(group, megabytes(layer.size), x=left + 8, y=top + 35, style="in")
        left += width


def _draw_row(group: ET.Element, layer: LayerReport, color: str, top: float) -> None:
    ET.SubElement(group, "rect", {"fill": color, "rx": "2", **_numbers(x=_MARGIN, y=top + 5, width=12, height=12)})
    middle = top + 16
    _text(group, _shorten(_label(layer), 24), x=_MARGIN + 22, y=middle, style="name")
    _text(group, _shorten(layer.contents if layer.name else "", 66), x=_MARGIN + 200, y=middle, style="quiet")
    if layer.is_shared:
        _text(group, "on every platform", x=_WIDTH - _MARGIN - 130, y=middle, style="quiet end")
    _text(group, megabytes(layer.size), x=_WIDTH - _MARGIN - 48, y=middle, style="end")
    _text(group, percent(layer.share), x=_WIDTH - _MARGIN, y=middle, style="quiet end")


def _colors(layers: Sequence[LayerReport]) -> list[str]:
    """Return the colour of each layer: fixed for the layers that every image has, from a cycle for others."""
    turn = iter(_OTHERS * (len(layers) // len(_OTHERS) + 1))
    return [_FIXED.get(layer.name) or next(turn) for layer in layers]


def _label(layer: LayerReport) -> str:
    return layer.name.removeprefix("python-") or _shorten(layer.contents, 24) or layer.digest.hex[:12]


def _text(parent: ET.Element, text: str, *, x: float, y: float, style: str) -> None:
    ET.SubElement(parent, "text", {"class": style, **_numbers(x=x, y=y)}).text = text


def _numbers(**values: float) -> dict[str, str]:
    return {name: f"{value:.1f}".removesuffix(".0") for name, value in values.items()}


def _shorten(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
