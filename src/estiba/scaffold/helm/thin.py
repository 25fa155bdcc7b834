"""Thin chart of a service, `helm/NAME`, with the files of values that lie where its commands are given."""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml
from packaging.version import InvalidVersion, Version

from estiba.digest import Digest
from estiba.errors import ChartError, CommandError, ConfigError, DriftError
from estiba.publish import chart
from estiba.scaffold import rendered
from estiba.scaffold.helm import values

if TYPE_CHECKING:
    from estiba.process import Runner
    from estiba.service.project import Project

RENDER: Final = "invoke chart.render"
UPDATE: Final = "invoke chart.update"

_VENDORED: Final = f"estiba/{chart.NAME}"
"""Annotation of the chart: digest of the archive that it depends on. Helm's own Chart.lock has none."""
_NOTES: Final = Path(__file__).with_name("NOTES.txt")
_NOTE: Final = f"Rendered by `{RENDER}` from [tool.estiba] in pyproject.toml; change it there."
_UNBUILT: Final = f"sha256:{'0' * 64}"


def folder_of(project: Project) -> Path:
    """Return the folder of the service's chart."""
    return project.folder / "helm" / project.name


def render(project: Project, runner: Runner, *, digest: Digest | None = None, update: bool = False) -> tuple[str, ...]:
    """Write the chart of a service with its values, and return the names of the files that changed.

    Args:
        project: The service.
        runner: Runs Helm.
        digest: Digest of the image; by default the one that the values have.
        update: Take Estiba's own chart anew; by default only where the service's chart has none.

    Raises:
        ConfigError: Settings are invalid.
        ChartError: Helm refuses the values; nothing is written then.
    """
    folder = folder_of(project)
    with tempfile.TemporaryDirectory(prefix="estiba-chart-") as work:
        copy = Path(work) / "service"
        archive = None if update else _find_archive(folder)
        kept = archive or chart.package(chart.own(), Path(work), runner).path
        texts = _render(project, kept, str(digest) if digest else _read_digest(folder))
        rendered.write(copy, texts)
        _place(kept, copy / "helm" / project.name / "charts")
        _validate(project, copy, runner)
        changed = list(rendered.write(project.folder, texts))
        if kept != archive:
            changed += _replace_archive(kept, folder, project)
    return tuple(changed)


def check(project: Project) -> None:
    """Compare a service's chart and values with the settings; the image's digest is whatever the values have.

    Raises:
        ConfigError: Settings are invalid.
        DriftError: Files are missing or differ, or the archive is not the one that the chart names.
    """
    folder = folder_of(project)
    archive = _find_archive(folder)
    if not archive:
        msg = f"{folder.relative_to(project.folder)}/charts has not the one archive of {chart.NAME}"
        raise DriftError(msg, hint=UPDATE)
    try:
        named = str(yaml.safe_load((folder / "Chart.yaml").read_text(encoding="utf-8"))["annotations"][_VENDORED])
    except (FileNotFoundError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError):
        named = ""
    if named and named != str(Digest.of_file(archive)):
        msg = f"{archive.relative_to(project.folder)} is not the archive that Chart.yaml names"
        raise DriftError(msg, hint=UPDATE)
    rendered.check(project.folder, _render(project, archive, _read_digest(folder)), RENDER)


def to_semver(version: str) -> str:
    """Return a version of Python (PEP 440) as one of Semantic Versioning, which Helm asks of a chart.

    Raises:
        ConfigError: It is no version.
    """
    try:
        parsed = Version(version)
    except InvalidVersion as error:
        where = "pyproject.toml [project]"
        raise ConfigError(where, [f"'version' is {version!r}, which is no version (PEP 440)"]) from error
    numbers = ".".join(map(str, (*parsed.release, 0, 0)[:3]))
    before = [f"{name}.{number}" for name, number in ([parsed.pre] if parsed.pre else [])]
    before += [f"dev.{parsed.dev}"] if parsed.dev is not None else []
    after = [*map(str, parsed.release[3:]), *([f"post.{parsed.post}"] if parsed.post is not None else [])]
    after += [parsed.local] if parsed.local else []
    return numbers + ("-" + ".".join(before) if before else "") + ("+" + ".".join(after) if after else "")


def _render(project: Project, archive: Path, digest: str) -> dict[str, str]:
    """Return the text of each file of the chart and its values, by its path relative to the service's folder."""
    where = f"helm/{project.name}"
    common = values.shared(project)
    if digest:
        common = {**common, "image": {**common.get("image", {}), "digest": digest}}
    made: dict[str, dict[str, Any]] = {
        f"{where}/Chart.yaml": _describe(project, archive),
        f"{where}/values.yaml": {values.ALIAS: common} if common else {},
    }
    for name in chart.ENVIRONMENTS:
        made[chart.name_values(name)] = {values.ALIAS: values.of_environment(project, name)}
    texts = {name: rendered.dump(data, note=_NOTE) for name, data in made.items()}
    return {**texts, f"{where}/templates/NOTES.txt": _NOTES.read_text(encoding="utf-8")}


def _describe(project: Project, archive: Path) -> dict[str, Any]:
    version = archive.name.removeprefix(f"{chart.NAME}-").removesuffix(".tgz")
    return {
        "apiVersion": "v2",
        "name": project.name,
        "description": f"The service {project.name}",
        "type": "application",
        "version": to_semver(project.version),
        "appVersion": project.version,
        "annotations": {_VENDORED: str(Digest.of_file(archive))},
        "dependencies": [{"name": chart.NAME, "alias": values.ALIAS, "version": version}],
    }


def _find_archive(folder: Path) -> Path | None:
    """Return the archive of Estiba's chart in a service's chart, None unless there is exactly one."""
    found = sorted((folder / "charts").glob(f"{chart.NAME}-*.tgz"))
    return found[0] if len(found) == 1 else None


def _place(archive: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(archive, folder / archive.name)


def _replace_archive(archive: Path, folder: Path, project: Project) -> list[str]:
    target = folder / "charts" / archive.name
    if target.exists() and Digest.of_file(target) == Digest.of_file(archive):
        return []
    for old in (folder / "charts").glob(f"{chart.NAME}-*.tgz"):
        old.unlink()
    _place(archive, folder / "charts")
    return [str(target.relative_to(project.folder))]


def _read_digest(folder: Path) -> str:
    """Return the image's digest in a chart's values, or an empty string."""
    try:
        found = yaml.safe_load((folder / "values.yaml").read_text(encoding="utf-8"))[values.ALIAS]["image"]["digest"]
    except (FileNotFoundError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError):
        return ""
    return found if re.fullmatch("sha256:[0-9a-f]{64}", str(found)) else ""


def _validate(project: Project, folder: Path, runner: Runner) -> None:
    """Let Helm look at the values of each environment, with some digest where no image was built yet."""
    where = folder / "helm" / project.name
    image = [] if _read_digest(where) else ["--set", f"{values.ALIAS}.image.digest={_UNBUILT}"]
    for name in chart.ENVIRONMENTS:
        argv = ["helm", "template", project.name, str(where), "--values", str(folder / chart.name_values(name)), *image]
        try:
            runner(argv)
        except CommandError as error:
            msg = f"helm refuses the values of {name}: {error.tail}"
            # An archive of an earlier Estiba does not know all that its settings lead to, such as `persist`.
            hint = f"mend [tool.estiba.chart] in pyproject.toml, then: {RENDER}; or take this Estiba's chart: {UPDATE}"
            raise ChartError(msg, hint=hint) from error
