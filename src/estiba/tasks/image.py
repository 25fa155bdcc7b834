"""`invoke image.*`: load, push and inspect images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from estiba import config
from estiba.build.oci_image import RESULT
from estiba.errors import RegistryError
from estiba.image import layer_chart, layout, report
from estiba.image.manifest import Platform
from estiba.imageref import ImageRef, is_reference
from estiba.publish.engine import load as loading
from estiba.publish.registry import credentials, pull
from estiba.publish.registry import push as pushing
from estiba.publish.registry.client import Registry
from estiba.tasks.console import console, task
from estiba.tasks.options import choose

if TYPE_CHECKING:
    from invoke import Context

    from estiba.image.layout import Layout
    from estiba.image.report import Report

_IMAGE = "Folder of an image; by default the last build's."
_PROJECT = "Folder of the service."
_JSON = "Print the result as one JSON object."
_INSECURE = "Allow plain HTTP for a registry on another machine."


@task(
    help={
        "platform": "Platform to load, as linux/amd64 or x86_64-linux; by default the engine's.",
        "tag": "NAME[:TAG] of the image in the engine; by default the service's name and version.",
        "image": _IMAGE,
        "project": _PROJECT,
        "json": _JSON,
    }
)
def load(
    _: Context, *, platform: str = "", tag: str = "", image: str = "", project: str = ".", json: bool = False
) -> None:
    """Load the image into the Docker engine."""
    source = _read(image, project)
    names = [name for image in source.images for name in (image.platform.system, str(image.platform))]
    chosen = Platform.parse(platform) if choose("platform", platform, names) else None
    engine = loading.Engine.connect()
    wanted = loading.plan(source, engine, platform=chosen, name=tag)
    with console.progress(f"load {wanted.name}", total=wanted.size, unit="bytes") as advance:
        loaded = loading.load(wanted, engine, advance=advance)
    if json:
        console.json(loaded.to_dict())
    else:
        console.say(f"{loaded.platform}: sent {loaded.sent_layers} layers")
        console.result(loaded.name)


@task(
    positional=["ref"],
    help={
        "ref": "Reference to push to, as HOST/NAME[:TAG].",
        "image": _IMAGE,
        "mount-from": "Another repository of the registry, to mount layers from.",
        "insecure": _INSECURE,
        "dry-run": "Show what would be sent, and send nothing.",
        "project": _PROJECT,
        "json": _JSON,
    },
)
def push(
    _: Context,
    ref: str,
    *,
    image: str = "",
    mount_from: str = "",
    insecure: bool = False,
    dry_run: bool = False,
    project: str = ".",
    json: bool = False,
) -> None:
    """Push the image and its SBOMs to a registry.

    Only blobs and manifests that the registry lacks are sent.
    """
    source, target = _read(image, project), ImageRef.parse(ref)
    registry = _registry(target, writes=not dry_run, mount_from=mount_from, insecure=insecure)
    wanted = pushing.plan(source, target, registry)
    if dry_run:
        _show_plan(wanted, as_json=json)
        return
    with console.progress(f"push {target}", total=wanted.size, unit="bytes") as advance:
        pushed = pushing.push(wanted, registry, advance=advance)
    if json:
        console.json(pushed.to_dict())
    else:
        blobs, manifests = len(pushed.sent), len(pushed.manifests)
        console.say(f"sent {blobs} blobs ({report.megabytes(pushed.size)}) and {manifests} manifests")
        console.result(str(pushed.ref))


@task(
    help={
        "image": "Folder or HOST/NAME[:TAG] of an image; by default the last build's.",
        "svg": "File to write a chart of the layers to, as SVG.",
        "insecure": _INSECURE,
        "project": _PROJECT,
        "json": _JSON,
    }
)
def inspect(
    _: Context, *, image: str = "", svg: str = "", insecure: bool = False, project: str = ".", json: bool = False
) -> None:
    """Show the layers of an image with contents, size and share."""
    found = _report(image, project, insecure=insecure)
    if svg:
        Path(svg).write_text(layer_chart.render(found), encoding="utf-8")
    if json:
        console.json(found.to_dict())
        return
    console.say(f"{found.name}  {found.digest}  {report.megabytes(found.size)}")
    console.table(report.HEADER, report.rows(found))


def _read(image: str, project: str) -> Layout:
    return layout.read_built(Path(image) if image else Path(project) / RESULT, config.load().store)


def _report(image: str, project: str, *, insecure: bool) -> Report:
    if not is_reference(image) or Path(image).exists():
        return report.of_layout(_read(image, project))
    ref = ImageRef.parse(image)
    found = pull.read_report(ref, _registry(ref, insecure=insecure))
    if found is None:
        message = f"{ref.host} has no image {ref}"
        raise RegistryError(message, hint="check the name and the tag")
    return found


def _registry(ref: ImageRef, *, writes: bool = False, mount_from: str = "", insecure: bool = False) -> Registry:
    found = credentials.load(config.load().docker_config, ref.host)
    return Registry(ref, credentials=found, writes=writes, mount_from=mount_from, insecure=insecure)


def _show_plan(wanted: pushing.PushPlan, *, as_json: bool) -> None:
    if as_json:
        console.json(wanted.to_dict())
        return
    blobs, manifests = len(wanted.blobs), len(wanted.images) + len(wanted.attachments) + (not wanted.is_tagged)
    console.say(f"would send {blobs} blobs ({report.megabytes(wanted.size)}) and {manifests} manifests")
    console.table(("size", "blob"), [(blob.size, blob.digest) for blob in wanted.blobs])
