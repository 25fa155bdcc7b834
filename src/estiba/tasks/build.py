"""Build a service's image."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from estiba import config
from estiba.build import build as build_image
from estiba.tasks.console import console, task

if TYPE_CHECKING:
    from invoke import Context

    from estiba.build import Built


@task(
    default=True,
    help={
        "project": "The service's folder.",
        "platform": "Build for one platform instead of all, such as x86_64-linux.",
        "json": "Print one JSON object on standard output.",
    },
)
def build(_: Context, project: str = ".", platform: str = "", json: bool = False) -> None:
    """Build the service's image from the lock, offline, and print its digest and layers."""
    with console.step("build") as status:
        built = build_image(Path(project), config.load(), platform=platform, on_status=status)
    if json:
        console.json(built.to_dict())
    else:
        _show(built)


def _show(built: Built) -> None:
    rows = [
        (
            layer.platform,
            layer.name,
            f"{layer.size / 1e6:.2f} MB",
            "new" if layer.changed else "as before",
            _shorten(", ".join(layer.contents)),
        )
        for layer in built.layers
    ]
    console.table(("platform", "layer", "size", "changed", "contents"), rows)
    for platform in built.platforms:
        size = sum(layer.size for layer in built.layers if layer.platform == platform)
        console.result(f"{platform}: {size / 1e6:.1f} MB compressed")
    console.result(f"{built.digest}  {built.path}")


def _shorten(text: str, limit: int = 60) -> str:
    return text if len(text) <= limit else f"{text[:limit]}…"
