from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from estiba.errors import ConfigError
from estiba.scaffold.helm import values
from estiba.service import processes
from estiba.service import project as projects

if TYPE_CHECKING:
    from estiba.service.project import Project

TARGETS = """
[targets.staging]
kind = "kubernetes"
image = "registry.example/shop"
url = "https://staging.shop.example/"
[targets.production]
kind = "kubernetes"
image = "registry.example/shop"
url = "https://shop.example"
[targets.local]
port = 8000
"""


def service(text: str) -> Project:
    """Return the sample service with other tables of `[tool.estiba]`."""
    tables = tomllib.loads(text)
    shop = projects.load(Path(__file__).parents[3] / "fixtures" / "services" / "shop")
    own = processes.parse(tables["processes"]) if "processes" in tables else ()
    return replace(shop, chart=tables.get("chart", {}), targets=tables.get("targets", {}), processes=own)


def test_targets_say_image_and_hosts() -> None:
    """What a target of an environment's name has is not written twice; one image is for all."""
    found = service(TARGETS)

    assert values.shared(found) == {"image": {"repository": "registry.example/shop"}}
    assert values.of_environment(found, "staging") == {"environment": "staging", "hosts": ["staging.shop.example"]}
    assert values.of_environment(found, "dev") == {"environment": "development"}


def test_processes_are_those_of_the_image() -> None:
    """The image knows what a process runs; the cluster how often, how long, and when it is ready."""
    found = service(
        """
        [processes.web]
        command = ["uvicorn"]
        grace = 60
        ready = "/up"
        [processes.jobs]
        command = ["celery", "worker"]
        concurrency = 4
        ready = ["celery", "inspect", "ping"]
        [processes.feed]
        concurrency = 3
        [processes.beat]
        command = ["celery", "beat"]
        [chart.processes.jobs]
        replicas = 2
        """
    )

    assert values.shared(found)["processes"] == {
        "worker": None,
        "scheduler": None,
        "web": {"gracePeriodSeconds": 65, "probes": {"readiness": "/up"}},
        "beat": {"command": ["beat"], "singleton": True},
        "feed": {"command": ["feed"], "replicas": 3},
        "jobs": {"command": ["jobs"], "readinessCommand": ["ready", "jobs"], "replicas": 2},
    }


def test_folders_of_data_are_volumes() -> None:
    """What outlives a release on a machine does so in a cluster; size and class are each environment's own."""
    found = replace(service("[chart.prod]\npersist.size = '50Gi'"), persist=("/app/data", "/var/lib/shop"))

    assert values.shared(found)["persist"] == {"paths": ["/app/data", "/var/lib/shop"]}
    assert values.of_environment(found, "prod")["persist"] == {"size": "50Gi"}


def test_image_of_another_registry_is_the_environments_own() -> None:
    """Production's is for all, and staging's for itself."""
    found = service(TARGETS.replace("registry.example/shop", "test.example/shop", 1))

    assert values.shared(found)["image"] == {"repository": "registry.example/shop"}
    assert values.of_environment(found, "staging")["image"] == {"repository": "test.example/shop"}


def test_table_has_the_last_word() -> None:
    """`[tool.estiba.chart]` is for all, a table in it for one environment; `false` is a process that there is not."""
    found = service(
        TARGETS
        + """
        [chart]
        static.mode = "image"
        processes.worker = false
        processes.web.replicas = 3
        [chart.prod]
        hosts = ["shop.example", "www.shop.example"]
        """
    )

    assert list(values.shared(found)) == ["image", "processes", "static"]
    assert values.shared(found)["processes"] == {"worker": None, "web": {"replicas": 3}}
    assert values.of_environment(found, "prod")["hosts"] == ["shop.example", "www.shop.example"]


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ("[chart.staging]\nstatic.mode = 'nginx'", "'static.mode' differs between 'staging' and 'prod'"),
        ("[chart.prod]\nprocesses.web.command = ['asgi']", "'processes.web.command' differs"),
        ("[chart]\nprod = 1", "'prod' must be a table, not 1"),
        ("[chart]\ntrustedProxies = ['10.0.0.1/8']", "'trustedProxies' has '10.0.0.1/8', not an IP address"),
        ("[chart.prod]\ntrustedProxies = 'proxy'", "'trustedProxies' has 'proxy', not an IP address"),
    ],
    ids=["staging", "prod", "no-table", "network", "text"],
)
def test_staging_is_what_production_will_be(table: str, problem: str) -> None:
    """A value in which they may not differ is refused, and the message names it."""
    with pytest.raises(ConfigError, match=problem):
        values.shared(service(table))


def test_listed_values_may_differ() -> None:
    """Hosts, replicas, variables and the names of secrets are each environment's own."""
    table = """
    [chart.staging]
    env.BANNER = "staging"
    processes.web.replicas = 2
    secrets.existing = ["shop-staging"]
    trustedProxies = ["203.0.113.7"]
    [chart.prod]
    processes.web.autoscaling = { minReplicas = 2, maxReplicas = 9 }
    """

    assert values.of_environment(service(table), "staging")["processes"] == {"web": {"replicas": 2}}


def test_secret_in_the_open_is_refused(tmp_path: Path) -> None:
    """Values are committed, so what the service's schema calls a secret cannot be among them."""
    (tmp_path / "env.schema.json").write_text('{"properties": {"SECRET_KEY": {"writeOnly": true}}}')
    found = replace(service('[chart.prod.env]\nSECRET_KEY = "x"\nLOG_LEVEL = "INFO"\n'), folder=tmp_path)

    with pytest.raises(ConfigError, match=r"'env.SECRET_KEY' is a secret"):
        values.shared(found)
