"""Helm charts: Estiba's own, packaged to the same bytes everywhere, and pushed to an OCI registry."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

from estiba.digest import Digest
from estiba.errors import ChartError, CommandError
from estiba.imageref import ImageRef

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from estiba.process import Runner

NAME: Final = "django-service"
"""Name of Estiba's own chart."""

ENVIRONMENTS: Final[Mapping[str, str]] = {"dev": "development", "staging": "staging", "prod": "production"}
"""The chart's `environment` by the name that its file of values has: `values.prod.yaml`."""

_PACKAGED: Final = Path(__file__).with_name(NAME)
_IN_REPOSITORY: Final = Path(__file__).parents[3] / "helm" / NAME
_TIME: Final = 315_532_800
"""Seconds of 1 January 1980, UTC: Helm's archive has its files' times, and what it pushes that of the archive."""

# SemVer 2.0, which Helm asks of a chart's version.
_VERSION: Final = re.compile(r"\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?")
_PUSHED: Final = re.compile(r"^Digest:\s*(sha256:[0-9a-f]{64})\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Chart as its `Chart.yaml` describes it.

    Attributes:
        folder: Folder of the chart.
        name: Name.
        version: Version (SemVer 2.0).
        dependencies: Version of each chart that it depends on, by the name under which its values stand.
    """

    folder: Path
    name: str
    version: str
    dependencies: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """Archive of a chart.

    Attributes:
        path: The archive, `NAME-VERSION.tgz`.
        name: Name of the chart.
        version: Version of the chart.
        digest: Digest of the archive.
    """

    path: Path
    name: str
    version: str
    digest: Digest

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-compatible representation."""
        return {"path": str(self.path), "name": self.name, "version": self.version, "digest": str(self.digest)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """Chart in a registry.

    Attributes:
        ref: Reference with the digest of the chart's OCI manifest; the tag is the version, with `_` for `+`.
        package: What was pushed.
    """

    ref: ImageRef
    package: Package

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-compatible representation."""
        return {**self.package.to_dict(), "ref": f"oci://{self.ref}", "manifest": str(self.ref.digest)}


def own() -> Path:
    """Return the folder of Estiba's own chart, in the installed package or in a checkout."""
    return _PACKAGED if _PACKAGED.is_dir() else _IN_REPOSITORY


def name_values(target: str) -> str:
    """Return the name of a target's file of values in the service's folder: `values.prod.yaml` for `production`."""
    short = next((short for short, full in ENVIRONMENTS.items() if full == target), target)
    return f"values.{short}.yaml"


def load(folder: Path) -> Chart:
    """Read a chart's `Chart.yaml`.

    Raises:
        ChartError: There is none, or it has no name or no version that Helm takes.
    """
    path = folder / "Chart.yaml"
    try:
        described = yaml.safe_load(path.read_text(encoding="utf-8"))
        name, version = str(described["name"]), str(described["version"])
        listed = {str(one.get("alias", one["name"])): dict(one) for one in described.get("dependencies", ())}
    except FileNotFoundError as error:
        msg = f"{folder} is no chart: it has no Chart.yaml"
        raise ChartError(msg, hint="`invoke chart.render` makes the chart of a service") from error
    except (yaml.YAMLError, KeyError, TypeError, AttributeError, UnicodeDecodeError) as error:
        msg = f"{path} does not describe a chart: it needs at least `name` and `version`"
        raise ChartError(msg, hint="`helm lint` says what is wrong") from error
    if not _VERSION.fullmatch(version):
        msg = f"{path}: the version {version!r} is not one of Semantic Versioning"
        raise ChartError(msg, hint="write three numbers, such as 1.2.0 or 1.2.0-rc.1")
    return Chart(folder=folder, name=name, version=version, dependencies=listed)


def nest(folder: Path, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values of Estiba's own chart as a chart takes them: as they are, or below the alias of a dependency.

    Args:
        folder: Folder of Estiba's own chart, or of one that depends on it.
        values: Values of Estiba's own chart.

    Raises:
        ChartError: The folder is no chart, or it neither is Estiba's own nor depends on it.
    """
    chart = load(folder)
    if chart.name == NAME:
        return dict(values)
    for alias, dependency in chart.dependencies.items():
        if dependency["name"] == NAME:
            return {alias: dict(values)}
    msg = f"{folder / 'Chart.yaml'} does not depend on the chart {NAME}"
    raise ChartError(msg, hint="`invoke chart.render` makes a chart that does")


def package(folder: Path, out: Path, runner: Runner) -> Package:
    """Package a chart into a folder, as the same bytes whoever does it, whenever and wherever.

    Args:
        folder: Folder of the chart, with what it depends on in `charts`.
        out: Folder for the archive, made where it does not exist.
        runner: Runs Helm.

    Raises:
        ChartError: Helm refuses the chart.
    """
    chart = load(folder)
    with _copied(chart) as (copy, scratch):
        try:
            runner(["helm", "package", str(copy), "--destination", str(scratch)])
        except CommandError as error:
            msg = f"helm package refuses {folder}: {error.tail}"
            raise ChartError(msg, hint=f"helm lint {folder} says more") from error
        made = scratch / f"{chart.name}-{chart.version}.tgz"
        os.utime(made, (_TIME, _TIME))
        out.mkdir(parents=True, exist_ok=True)
        # Not a rename: the temporary folder may be on another file system.
        path = Path(shutil.copy2(made, out / made.name))
    return Package(path=path, name=chart.name, version=chart.version, digest=Digest.of_file(path))


def push(packaged: Package, to: str, runner: Runner) -> Pushed:
    """Push an archive to a registry, below a repository; Helm takes Docker's credentials as well as its own.

    Args:
        packaged: The archive.
        to: Registry and repository, `HOST[:PORT]/REPOSITORY`, to which the chart's name is added.
        runner: Runs Helm.

    Raises:
        ImageRefError: `to` is malformed, or has a tag.
        ChartError: The registry refuses it, or cannot be reached.
    """
    ref = name_ref(packaged, to)
    insecure = ["--plain-http"] if ref.is_loopback else []
    address = f"oci://{ref.host}/{ref.repository.removesuffix(f'/{packaged.name}')}"
    said: list[str] = []
    try:
        done = runner(["helm", "push", str(packaged.path), address, *insecure], on_line=said.append)
    except CommandError as error:
        msg = f"{ref.host} did not take the chart: {error.tail}"
        raise ChartError(msg, hint=f"helm registry login {ref.host} if it wants a password") from error
    found = _PUSHED.search("\n".join([done.stdout, *said]))
    if not found:
        msg = f"helm push {packaged.path} printed no digest"
        raise ChartError(msg, hint=f"look with: helm show chart {address}/{packaged.name}")
    return Pushed(ref=ref.at(Digest.parse(found[1])), package=packaged)


def name_ref(packaged: Package, to: str) -> ImageRef:
    """Return the reference that an archive has in a registry, see `push`; without the digest of its manifest.

    Raises:
        ImageRefError: `to` is malformed.
        ChartError: `to` has a tag or a digest.
    """
    parent = ImageRef.parse(to.removeprefix("oci://"))
    if parent.tag or parent.digest:
        msg = f"{to} has a tag or a digest, which a chart gets from its version"
        raise ChartError(msg, hint=f"write {parent.host}/{parent.repository}")
    repository = f"{parent.repository}/{packaged.name}"
    return ImageRef(host=parent.host, repository=repository, tag=packaged.version.replace("+", "_"))


@contextmanager
def _copied(chart: Chart) -> Iterator[tuple[Path, Path]]:
    """Yield a copy of a chart whose files have one time, and an empty folder beside it."""
    with tempfile.TemporaryDirectory(prefix="estiba-chart-") as work:
        copy = shutil.copytree(chart.folder, Path(work) / chart.name)
        for path in (copy, *copy.rglob("*")):
            # What comes out of the Nix store is read-only, and then could not be removed.
            path.chmod(0o755 if path.is_dir() else 0o644)
            os.utime(path, (_TIME, _TIME))
        (scratch := Path(work) / "made").mkdir()
        yield copy, scratch
