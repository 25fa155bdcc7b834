"""The chart's alerts, tried on series by Prometheus's own promtool (`promtool test rules`)."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Final

import pytest
import yaml
from tests.services import debian

CHART: Final = Path(__file__).parents[3] / "helm" / "django-service"
OK: Final = 'django_http_responses_total_by_status_total{namespace="shop",service="shop-web",status="200"}'
BROKEN: Final = OK.replace("200", "503")
MISSING: Final = OK.replace("200", "404")
FAST: Final = 'django_http_requests_latency_seconds_by_view_method_bucket{namespace="shop",service="shop-web",le="1"}'
SLOW: Final = FAST.replace('"1"', '"5"')
ALL: Final = FAST.replace('"1"', '"+Inf"')
PENDING: Final = 'django_migrations_unapplied_total{namespace="shop",service="shop-web"}'
PODS: Final = 'kube_deployment_status_replicas_available{namespace="shop",deployment="shop-worker"}'
WANTED: Final = PODS.replace("status_replicas_available", "spec_replicas")
OF_PODS: Final = {"namespace": "shop", "deployment": "shop-worker"}
"""Labels that the alert about them takes over; the others are about sums."""


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file of the rules that the chart renders."""
    values = ["--values", str(CHART / "ci" / "monitoring-values.yaml"), "--namespace", "shop"]
    argv = ["helm", "template", "shop", str(CHART), *values, "--show-only", "templates/prometheusrule.yaml"]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    file = tmp_path_factory.mktemp("alerts") / "rules.json"
    # JSON is YAML.
    file.write_text(json.dumps(yaml.safe_load(done.stdout)["spec"]))
    return file


@pytest.mark.parametrize(
    ("series", "minutes", "alert"),
    [
        ({OK: "0+99", BROKEN: "0+2"}, 8, "DjangoErrors"),
        ({OK: "0+99", BROKEN: "0+2"}, 3, ""),
        ({OK: "0+999", BROKEN: "0+2"}, 20, ""),
        ({OK: "0+9", MISSING: "0+9"}, 20, ""),
        ({FAST: "0+90", SLOW: "0+100", ALL: "0+100"}, 20, "DjangoSlow"),
        ({FAST: "0+90", SLOW: "0+100", ALL: "0+100"}, 8, ""),
        ({FAST: "0+96", SLOW: "0+100", ALL: "0+100"}, 20, ""),
        ({PENDING: "1+0"}, 20, "DjangoMigrationsPending"),
        ({PENDING: "1+0"}, 10, ""),
        ({PODS: "1+0", WANTED: "2+0"}, 12, "DjangoProcessDown"),
        ({PODS: "1+0", WANTED: "2+0"}, 8, ""),
        ({PODS: "2+0", WANTED: "2+0"}, 20, ""),
    ],
)
def test_alert_comes_when_it_should(rules: Path, series: dict[str, str], minutes: int, alert: str) -> None:
    """Errors, slow answers, migrations and lost pods are told after their time; what is usual is not."""
    test = {
        "interval": "1m",
        "input_series": [{"series": name, "values": f"{each}x{minutes}"} for name, each in series.items()],
        "alert_rule_test": [
            {
                "alertname": one["alert"],
                "eval_time": f"{minutes}m",
                "exp_alerts": [
                    {
                        "exp_labels": one["labels"] | (OF_PODS if PODS in series else {}),
                        "exp_annotations": one["annotations"],
                    }
                ]
                * (one["alert"] == alert),
            }
            for one in json.loads(rules.read_text())["groups"][0]["rules"]
        ],
    }
    file = rules.with_name("tests.json")
    file.write_text(json.dumps({"rule_files": [rules.name], "evaluation_interval": "1m", "tests": [test]}))
    program = debian.unpack("prometheus") / "usr/bin/promtool"

    done = subprocess.run([str(program), "test", "rules", str(file)], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
