"""The chart of a service as `invoke new` and `invoke chart.render` make it, rendered by Helm."""

from __future__ import annotations

import fnmatch
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from estiba.digest import Digest
from estiba.errors import ChartError, DriftError
from estiba.process import run
from estiba.publish import chart
from estiba.scaffold import new
from estiba.scaffold.helm import thin
from estiba.service import project as projects

if TYPE_CHECKING:
    from collections.abc import Iterator

DIGEST = Digest("7" * 64)
DIFFERING = (
    "Deployment/harbour-*/spec/template/metadata/annotations/checksum/*",
    "Deployment/harbour-web/*/httpHeaders/0/value",
    "ConfigMap/harbour-env/data/ALLOWED_HOSTS",
    "*/env/*/value",
    "Pod/harbour-smoke-1/*/command/*",
    "Pod/harbour-smoke-1/*/args/*",
)
"""Where the objects of staging and production differ: host names, and the checksum of the variables that have them."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a new service with its chart, for an image that was built."""
    folder = new.create(tmp_path_factory.mktemp("new") / "harbour")
    thin.render(projects.load(folder), run, digest=DIGEST)
    return folder


@pytest.fixture
def service(made: Path, tmp_path: Path) -> Path:
    """Return the service, to be changed."""
    return shutil.copytree(made, tmp_path / "harbour")


def render(folder: Path, name: str) -> list[dict[str, Any]]:
    """Return the objects that the seed's command would send, without a cluster."""
    argv = ["helm", "template", "harbour", "./helm/harbour", "--namespace", "harbour"]
    argv += ["--values", f"values.{name}.yaml"]
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=True)
    return [one for one in yaml.safe_load_all(done.stdout) if one]


def flatten(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Yield path and value of all that is no table and no list."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if items is None:
        yield path, value
        return
    for key, one in items:
        yield from flatten(one, f"{path}/{key}")


def test_objects_of_staging_are_those_of_production(made: Path) -> None:
    """They differ only where they are listed to."""
    flat = [
        {
            f"{one['kind']}/{one['metadata']['name']}{path}": value
            for one in render(made, name)
            for path, value in flatten(one)
        }
        for name in ("staging", "prod")
    ]
    staging, prod = flat
    differing = {key for key in {*staging, *prod} if staging.get(key) != prod.get(key)}

    assert staging["ConfigMap/harbour-env/data/ALLOWED_HOSTS"] == "staging.harbour.example"
    assert {key for key in differing if not any(fnmatch.fnmatch(key, may) for may in DIFFERING)} == set()


def test_thin_chart_renders_what_the_whole_one_does(made: Path, tmp_path: Path) -> None:
    """The alias is a place for values and nothing else: names and labels are the same."""
    tables = [yaml.safe_load((made / name).read_text()) for name in ("helm/harbour/values.yaml", "values.prod.yaml")]
    files = [tmp_path / "shared.yaml", tmp_path / "prod.yaml"]
    for file, table in zip(files, tables, strict=True):
        file.write_text(yaml.safe_dump(table["service"]))
    argv = ["helm", "template", "harbour", str(chart.own()), "--namespace", "harbour"]
    argv += [word for file in files for word in ("--values", str(file))]
    whole = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    objects = [one for one in yaml.safe_load_all(whole) if one]

    assert sorted(render(made, "prod"), key=str) == sorted(objects, key=str)


def test_image_is_the_one_that_was_built(made: Path) -> None:
    """All environments have the same digest, from one place."""
    for name in chart.ENVIRONMENTS:
        images = {
            container["image"]
            for one in render(made, name)
            if one["kind"] == "Deployment"
            for container in one["spec"]["template"]["spec"]["containers"]
        }
        assert images == {f"registry.example/harbour@{DIGEST}"}


def test_chart_has_no_findings(made: Path) -> None:
    """Helm's linter, strictly, has nothing to say."""
    argv = ["helm", "lint", "--strict", "helm/harbour", "--values", "values.prod.yaml"]
    done = subprocess.run(argv, cwd=made, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


def test_second_rendering_changes_nothing(service: Path) -> None:
    """It keeps the digest of the image and the archive, and what it wrote is what the check wants."""
    before = {path: path.stat().st_mtime_ns for path in service.rglob("*")}

    assert thin.render(projects.load(service), run) == ()
    assert {path: path.stat().st_mtime_ns for path in service.rglob("*")} == before
    thin.check(projects.load(service))


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("values.prod.yaml", thin.RENDER),
        ("helm/harbour/Chart.yaml", thin.RENDER),
        ("helm/harbour/charts/django-service-0.1.0.tgz", thin.UPDATE),
    ],
)
@pytest.mark.parametrize("change", ["gone", "edited"])
def test_drift_is_named_with_what_mends_it(service: Path, name: str, command: str, change: str) -> None:
    """The message names the file and the command; after that command there is none."""
    if change == "gone":
        (service / name).unlink()
    else:
        (service / name).write_bytes((service / name).read_bytes() + b"\n# by hand\n")

    with pytest.raises(DriftError) as caught:
        thin.check(projects.load(service))
    thin.render(projects.load(service), run, update=command == thin.UPDATE)

    assert name.rpartition("/")[2].partition("-0")[0] in caught.value.message
    assert caught.value.hint == command
    thin.check(projects.load(service))


def test_setting_moves_the_values(service: Path) -> None:
    """A changed target is drift until the values are rendered again."""
    pyproject = service / "pyproject.toml"
    pyproject.write_text(pyproject.read_text().replace("https://harbour.example", "https://port.example"))

    with pytest.raises(DriftError, match=r"values\.prod\.yaml"):
        thin.check(projects.load(service))
    assert thin.render(projects.load(service), run) == ("values.prod.yaml",)


def test_process_that_is_false_is_not_there(service: Path) -> None:
    """TOML has no null, which is how a chart's own process goes."""
    pyproject = service / "pyproject.toml"
    pyproject.write_text(
        pyproject.read_text().replace("[tool.estiba.chart]\n", "[tool.estiba.chart]\nprocesses.worker = false\n")
    )
    thin.render(projects.load(service), run)

    names = {one["metadata"]["name"] for one in render(service, "prod") if one["kind"] == "Deployment"}
    assert names == {"harbour-web", "harbour-scheduler"}


def test_value_that_no_chart_knows_is_refused(service: Path) -> None:
    """Helm's schema says so before anything is written."""
    pyproject = service / "pyproject.toml"
    pyproject.write_text(
        pyproject.read_text().replace("[tool.estiba.chart]\n", "[tool.estiba.chart]\nreplicaCount = 2\n")
    )
    before = (service / "helm/harbour/values.yaml").read_text()

    with pytest.raises(ChartError, match="replicaCount"):
        thin.render(projects.load(service), run)
    assert (service / "helm/harbour/values.yaml").read_text() == before


@pytest.mark.parametrize("has_helm", [True, False], ids=["helm", "no-helm"])
def test_new_service_comes_with_its_chart(tmp_path: Path, *, has_helm: bool) -> None:
    """Without Helm there is a service all the same, and a sentence that says what is missing."""
    argv = [sys.executable, "-m", "invoke", "new", "harbour", "--no-input"]
    (tmp_path / "tasks.py").write_text("from estiba.tasks import ns\n")
    programs = os.environ["PATH"] if has_helm else str(tmp_path)
    env = {**os.environ, "PATH": programs, "PYTHONPATH": str(Path(__file__).parents[3] / "src")}
    done = subprocess.run(argv, cwd=tmp_path, env=env, capture_output=True, text=True, check=True)
    made = tmp_path / "harbour"

    assert (made / "pyproject.toml").is_file()
    assert (made / "values.prod.yaml").is_file() is has_helm
    assert (thin.RENDER in done.stderr) is not has_helm


@pytest.mark.parametrize(
    ("version", "semver"),
    [
        ("1.2.3", "1.2.3"),
        ("1.2", "1.2.0"),
        ("2.0rc1", "2.0.0-rc.1"),
        ("1.0.dev3", "1.0.0-dev.3"),
        ("1.0.post2+local.1", "1.0.0+post.2.local.1"),
        ("1.2.3.4", "1.2.3+4"),
    ],
)
def test_version_is_one_that_helm_takes(version: str, semver: str) -> None:
    """Helm asks for Semantic Versioning, Python for PEP 440."""
    assert thin.to_semver(version) == semver
