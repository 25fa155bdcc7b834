from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from estiba.deploy.kubernetes import settings
from estiba.errors import ConfigError
from estiba.publish import chart as charts

if TYPE_CHECKING:
    from pathlib import Path

IMAGE = {"image": "registry.example/team/shop"}


def parse(folder: Path, **table: object) -> settings.Settings:
    """Parse a target named production of a service named shop."""
    return settings.parse("production", table, folder=folder, service="shop")


def test_image_is_all_that_is_needed(tmp_path: Path) -> None:
    """Release and namespace have the service's name, and the chart is Estiba's own."""
    found = parse(tmp_path, **IMAGE)

    assert (found.release, found.namespace, found.chart) == ("shop", "shop", charts.own())
    assert (found.values, found.timeout, found.keep) == ((), 270, 10)


def test_chart_and_values_of_the_service_are_found(tmp_path: Path) -> None:
    """A chart in `helm/NAME`, and values named after the target, need no settings."""
    (tmp_path / "helm" / "shop").mkdir(parents=True)
    (tmp_path / "values.prod.yaml").write_text("{}")

    found = parse(tmp_path, **IMAGE)

    assert (found.chart, found.values) == (tmp_path / "helm" / "shop", (tmp_path / "values.prod.yaml",))


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        pytest.param({}, "'image' is missing: the repository that the nodes pull from", id="no-image"),
        pytest.param(
            {"image": "registry.example/shop:1"},
            "'image' is 'registry.example/shop:1': the build decides the digest, and no tag is used",
            id="tag",
        ),
        pytest.param({**IMAGE, "imag": ""}, "unknown key 'imag', did you mean 'image'?", id="unknown"),
        pytest.param(
            {**IMAGE, "namespace": "Shop"},
            "'namespace' is 'Shop', not up to 40 lower-case letters, digits and dashes",
            id="namespace",
        ),
        pytest.param(
            {**IMAGE, "url": "shop.example"},
            "'url' is 'shop.example', not an address such as https://shop.example",
            id="url",
        ),
        pytest.param({**IMAGE, "timeout": 0}, "'timeout' must be a whole number above 0, not 0", id="number"),
    ],
)
def test_wrong_values_are_named(table: dict[str, object], problem: str, tmp_path: Path) -> None:
    """Each problem is one sentence."""
    with pytest.raises(ConfigError) as caught:
        parse(tmp_path, **table)

    assert caught.value.problems == (problem,)
