"""What is said in several places is the same in all of them: ports, health paths, limits, folders, names."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from estiba.demo import build_steps
from estiba.deploy.host import settings as host_settings
from estiba.publish import chart
from estiba.scaffold import compose, new
from estiba.service import environment, variables
from estiba.service import project as projects
from estiba.service.debian import STABLE

ROOT = Path(__file__).parents[2]
TEMPLATE = ROOT / "cookiecutter-template" / "{{ cookiecutter.project_slug }}"
VALUES: dict[str, Any] = yaml.safe_load((chart.own() / "values.yaml").read_text())
PROBES = VALUES["processDefaults"]["probes"]


def text(path: str) -> str:
    """Return the text of a file of this repository, or of the template."""
    file = ROOT / path if (ROOT / path).exists() else TEMPLATE / path
    return file.read_text()


def setting(name: str) -> Any:  # noqa: ANN401 - of any type
    """Return a constant of the template's settings, or the last part of a path in them."""
    tree = ast.parse(re.sub(r"\{\{[^}]*\}\}", "harbour", text("config/settings.py")))
    (value,) = (
        node.value for node in tree.body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name
    )
    return ast.literal_eval(value.right if isinstance(value, ast.BinOp) else value)


def test_port() -> None:
    """Image, entry point, chart and Compose have one port."""
    (exposed,) = re.findall(r'ExposedPorts\."(\d+)/tcp"', text("nix/service/image-config.nix"))
    (default,) = re.findall(
        r'env\["PORT"\] = env.get\("PORT"\) or "(\d+)"', text("nix/build/runtime/estiba_runtime/servers.py")
    )

    assert {int(exposed), int(default)} == {VALUES["processes"]["web"]["port"]}


@pytest.mark.parametrize(
    "path", [PROBES["startup"], PROBES["readiness"], PROBES["liveness"], VALUES["monitoring"]["path"]]
)
def test_health_paths(path: str) -> None:
    """The service answers what the chart asks, and a host target asks for the same readiness."""
    assert f'case "{path}"' in text("{{ cookiecutter.project_slug }}/health.py")
    found = host_settings.parse("local", {}, folder=ROOT, state=ROOT / ".estiba")
    assert found.ready == PROBES["readiness"]


def test_time_to_end() -> None:
    """Gunicorn ends within the grace that the chart gives; a worker gets as long as a job may take."""
    (graceful,) = re.findall(r"_GRACEFUL: Final = (\d+)", text("nix/build/runtime/estiba_runtime/servers.py"))
    (limit,) = re.findall(r'"DEFAULT_TIMEOUT": (\d+)', text("config/settings.py"))

    assert int(graceful) < VALUES["processDefaults"]["gracePeriodSeconds"]
    assert int(limit) == VALUES["processes"]["worker"]["gracePeriodSeconds"]


def test_static_files() -> None:
    """The chart's sidecar finds the static files where the settings say."""
    assert VALUES["static"]["root"] == f"/app/{setting('STATIC_ROOT')}"
    assert VALUES["static"]["url"] == f"/{setting('STATIC_URL')}"


def test_names_of_variables(tmp_path: Path) -> None:
    """What the service requires is what a host target and the demo's container give, and the schema is the image's."""
    schema = environment.load(TEMPLATE)
    assert schema is not None

    assert set(schema.required) <= variables.names()
    assert set(schema.required) <= {*build_steps._SETTINGS, "SECRET_KEY"}
    project = projects.load(new.create(tmp_path / "harbour"))
    for file in compose.describe(project).values():
        web = file["services"][compose.WEB]
        assert {"DATABASE_URL", "REDIS_URL"} <= set(web["environment"]) <= {*schema.descriptions}


def test_python_versions() -> None:
    """The template offers the versions that a service can be locked for."""
    assert set(yaml.safe_load((TEMPLATE.parent / "cookiecutter.json").read_text())["python"]) == set(STABLE)
