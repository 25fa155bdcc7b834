from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml
from tests.recording import RecordingRunner

from estiba.digest import Digest
from estiba.errors import ChartError, ImageRefError
from estiba.publish import chart

if TYPE_CHECKING:
    from pathlib import Path

MANIFEST = "sha256:" + "ab" * 32


def make(folder: Path, **described: object) -> Path:
    """Write a chart that has nothing but its description, and return its folder."""
    folder.mkdir(parents=True)
    (folder / "Chart.yaml").write_text(yaml.safe_dump(described))
    return folder


def packaged(folder: Path, version: str = "0.1.0") -> chart.Package:
    """Return an archive that nobody looks into."""
    path = folder / f"shop-{version}.tgz"
    path.write_bytes(b"archive")
    return chart.Package(path=path, name="shop", version=version, digest=Digest.of_file(path))


def test_own_chart_is_found() -> None:
    """The library knows where its chart is."""
    found = chart.load(chart.own())

    assert (found.name, dict(found.dependencies)) == (chart.NAME, {})


def test_values_stand_where_the_chart_looks_for_them(tmp_path: Path) -> None:
    """Those of a dependency are below its alias, or below its name where it has none."""
    dependency = {"name": chart.NAME, "version": "0.1.0"}
    thin = make(tmp_path / "thin", name="shop", version="1.0.0", dependencies=[{**dependency, "alias": "service"}])
    plain = make(tmp_path / "plain", name="shop", version="1.0.0", dependencies=[dependency])

    assert chart.nest(chart.own(), {"hosts": []}) == {"hosts": []}
    assert chart.nest(thin, {"hosts": []}) == {"service": {"hosts": []}}
    assert chart.nest(plain, {"hosts": []}) == {chart.NAME: {"hosts": []}}


def test_values_of_a_foreign_chart_are_not_guessed(tmp_path: Path) -> None:
    """A chart that has nothing to do with ours is refused."""
    foreign = make(tmp_path / "foreign", name="nginx", version="1.0.0")

    with pytest.raises(ChartError, match="does not depend on the chart django-service"):
        chart.nest(foreign, {})


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (None, "has no Chart.yaml"),
        ("name: shop", "needs at least `name` and `version`"),
        ("- name", "needs at least `name` and `version`"),
        ("name: {", "needs at least `name` and `version`"),
        ("name: shop\nversion: '1.0'", "the version '1.0' is not one of Semantic Versioning"),
    ],
    ids=["missing", "no-version", "list", "damaged", "two-numbers"],
)
def test_what_is_no_chart_is_refused(tmp_path: Path, text: str | None, problem: str) -> None:
    """The message names the file and what it lacks."""
    if text is not None:
        (tmp_path / "Chart.yaml").write_text(text)

    with pytest.raises(ChartError, match=problem):
        chart.load(tmp_path)


@pytest.mark.parametrize(
    ("to", "address", "options"),
    [
        ("localhost:5000/team", "oci://localhost:5000/team", ["--plain-http"]),
        ("oci://registry.example/team/charts", "oci://registry.example/team/charts", []),
    ],
    ids=["loopback", "elsewhere"],
)
def test_push_is_plain_on_this_machine_alone(tmp_path: Path, to: str, address: str, options: list[str]) -> None:
    """Plain HTTP is for a registry on the loopback interface."""
    runner = RecordingRunner(f"Pushed: x\nDigest: {MANIFEST}\n")

    pushed = chart.push(packaged(tmp_path), to, runner)

    assert runner.calls == [["helm", "push", str(tmp_path / "shop-0.1.0.tgz"), address, *options]]
    assert str(pushed.ref) == f"{address.removeprefix('oci://')}/shop:0.1.0@{MANIFEST}"


def test_plus_is_an_underscore_in_a_tag(tmp_path: Path) -> None:
    """A tag cannot have what a version can."""
    runner = RecordingRunner(f"Digest: {MANIFEST}")

    assert chart.push(packaged(tmp_path, "1.0.0+7"), "localhost:5000/team", runner).ref.tag == "1.0.0_7"


@pytest.mark.parametrize(
    ("to", "answer", "error"),
    [
        ("localhost:5000/team:1.0", "", ChartError),
        ("team", "", ImageRefError),
        ("localhost:5000/team", 1, ChartError),
        ("localhost:5000/team", "Pushed", ChartError),
    ],
    ids=["tag", "no-host", "refused", "no-digest"],
)
def test_push_that_fails_is_one_error(tmp_path: Path, to: str, answer: str | int, error: type[Exception]) -> None:
    """Nothing is pushed to a place that is not meant, and a refusal is not taken for a success."""
    with pytest.raises(error):
        chart.push(packaged(tmp_path), to, RecordingRunner(answer))
