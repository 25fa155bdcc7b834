"""Inputs of a Helm release: chart, files of values, and the values that the release manifest decides."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from estiba.deploy.kubernetes.client import helm as helms
from estiba.digest import Digest
from estiba.errors import TargetError
from estiba.publish import chart as charts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from typing import Any

    from estiba.deploy.kubernetes.client.helm import Helm
    from estiba.deploy.kubernetes.settings import Settings
    from estiba.imageref import ImageRef
    from estiba.release_manifest import ReleaseManifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """Inputs of one revision.

    Attributes:
        chart: Folder of the chart.
        values: Options of Helm that give the values: files, then those that the manifest decides.
        image: Image of all pods.
        chart_digest: Digest of the chart's files.
        fingerprint: Digest of all inputs; equal ones give equal objects.
    """

    chart: Path
    values: tuple[str, ...]
    image: ImageRef
    chart_digest: Digest
    fingerprint: Digest


def prepare(settings: Settings, manifest: ReleaseManifest) -> Inputs:
    """Return the inputs for a release.

    Raises:
        ChartError: The chart does not take values of Estiba's own.
        TargetError: The release was built without an image.
    """
    if manifest.image is None:
        msg = f"the release {manifest.version} of {manifest.service} was built without an image"
        raise TargetError(msg, hint="invoke deploy builds it")
    return prepare_image(settings, settings.image.at(manifest.image.digest))


def prepare_image(settings: Settings, image: ImageRef) -> Inputs:
    """Return the inputs for an image, whether or not there is one; see `prepare`."""
    decided = {"digest": str(image.digest), "repository": f"{image.host}/{image.repository}"}
    nested = charts.nest(settings.chart, {"image": decided})
    prefix = "" if "image" in nested else f"{next(iter(nested))}."
    chart_digest = digest(settings.chart)
    files = (path.read_text(encoding="utf-8") for path in settings.values)
    return Inputs(
        chart=settings.chart,
        # No file of our own: a deployment that is killed would leave it, and a command that was planned would lack it.
        values=(
            *(f"--values={path}" for path in settings.values),
            *(f"--set-string={prefix}image.{key}={value}" for key, value in decided.items()),
        ),
        image=image,
        chart_digest=chart_digest,
        fingerprint=Digest.of_bytes(
            "\0".join([str(chart_digest), json.dumps(nested, sort_keys=True), *files]).encode()
        ),
    )


def digest(chart: Path) -> Digest:
    """Return the digest of a chart's files, by name and content.

    Raises:
        TargetError: There is no such chart.
    """
    if not (chart / "Chart.yaml").is_file():
        msg = f"{chart} is no chart: it has no Chart.yaml"
        raise TargetError(msg, hint="invoke chart.render makes one, or set `chart` of the target")
    total = hashlib.sha256()
    for path in sorted(one for one in chart.rglob("*") if one.is_file()):
        name, content = str(path.relative_to(chart)).encode(), path.read_bytes()
        total.update(b"%d %b %d " % (len(name), name, len(content)) + content)
    return Digest.parse(f"sha256:{total.hexdigest()}")


def write_upgrade(
    helm: Helm, inputs: Inputs, manifest: ReleaseManifest, rendered: Sequence[Mapping[str, Any]], *, user: str
) -> list[str]:
    """Return the command that upgrades to a release.

    Args:
        helm: Helm for the release.
        inputs: Chart and values.
        manifest: Release manifest.
        rendered: Objects that the chart makes of the values.
        user: Login name for the description of the revision.
    """
    return helm.upgrade_argv(
        inputs.chart,
        inputs.values,
        strategy=helms.choose_strategy(rendered),
        labels={"estiba-version": _label(manifest.version), "git-sha": _label(manifest.commit[:12] or "none")},
        description=f"{manifest.version} by {user}",
    )


def _label(text: str) -> str:
    """Return a text as a label's value: up to 63 letters, digits, dots, dashes and underscores."""
    return "".join(char if char.isalnum() or char in "._-" else "_" for char in text)[:63].strip("._-")
