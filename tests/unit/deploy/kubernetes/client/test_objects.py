from __future__ import annotations

import json
from typing import Any

import pytest

from estiba.deploy.kubernetes.client import objects

PASSWORD = "correct-horse-battery"


def secret(value: str) -> dict[str, Any]:
    """Return a Secret, and a Deployment with the same value in a variable."""
    return {"kind": "Secret", "metadata": {"name": "shop-env"}, "stringData": {"DATABASE_URL": value}}


def deployment(name: str, value: str) -> dict[str, Any]:
    """Return a Deployment with one variable."""
    pod = {"containers": [{"name": "web", "env": [{"name": name, "value": value}]}]}
    return {"kind": "Deployment", "metadata": {"name": "shop-web"}, "spec": {"template": {"spec": pod}}}


def test_secret_that_changes_is_seen_to_change() -> None:
    """Neither value is in the diff, whether in a Secret or in a variable with a secret's name."""
    for before, after in (
        (secret(PASSWORD), secret("other")),
        (deployment("SECRET_KEY", PASSWORD), deployment("SECRET_KEY", "other")),
    ):
        found = objects.diff([before], [after])

        assert "(secret " in found
        assert PASSWORD not in found
        assert "other" not in found


def test_equal_objects_have_no_diff() -> None:
    """The code that stands for a secret is the same within one diff."""
    assert objects.diff([secret(PASSWORD)], [secret(PASSWORD)]) == ""


def test_plain_values_are_shown() -> None:
    """A diff without secrets is the ordinary one."""
    found = objects.diff([deployment("LOG_LEVEL", "INFO")], [deployment("LOG_LEVEL", "DEBUG")])

    assert "-        - name: LOG_LEVEL" not in found
    assert [line for line in found.splitlines() if line[:1] in "+-" and "value" in line] == [
        "-          value: INFO",
        "+          value: DEBUG",
    ]


def test_empty_documents_are_left_out() -> None:
    """A template that renders to nothing leaves a document without content."""
    assert objects.parse("---\n# nothing\n---\nkind: Service\n") == [{"kind": "Service"}]


def test_password_in_a_url_is_hidden_whatever_its_name() -> None:
    """A ConfigMap and an argument may have one as well."""
    made = {"kind": "ConfigMap", "metadata": {"name": "env"}, "data": {"DATABASE_URL": f"postgres://u:{PASSWORD}@h/d"}}

    assert PASSWORD not in objects.diff([], [made, deployment("OPTIONS", f"--password={PASSWORD}")])


@pytest.mark.parametrize(
    "one",
    [
        pytest.param({"kind": "List", "items": [{"kind": "Secret", "data": {"a.json": PASSWORD}}]}, id="list"),
        pytest.param(
            {
                "kind": "Secret",
                "metadata": {
                    "annotations": {
                        "kubectl.kubernetes.io/last-applied-configuration": json.dumps({"data": {"a.json": PASSWORD}})
                    }
                },
            },
            id="last applied",
        ),
        pytest.param({"kind": "Pod", "spec": {"args": ["--password", PASSWORD]}}, id="option"),
        pytest.param({"kind": "Shop", "spec": {"credentials": {"user": "ana", "pin": PASSWORD}}}, id="below"),
        pytest.param({"kind": "Shop", "spec": {"passwords": [PASSWORD]}}, id="several"),
        pytest.param(
            {"kind": "ConfigMap", "data": {"values.yaml": f"- name: TOKEN\n  value: {PASSWORD}\n"}}, id="text"
        ),
    ],
)
def test_secret_is_hidden_wherever_it_stands(one: dict[str, Any]) -> None:
    """Objects of other charts have them in other places than ours."""
    found = objects.diff([], [one])

    assert found
    assert PASSWORD not in found


def test_number_below_a_secret_name_is_hidden() -> None:
    """A password may have digits alone; whether there is one is shown."""
    found = objects.diff([], [{"kind": "Shop", "spec": {"password": 735512, "token": True}}])

    assert "735512" not in found
    assert "token: true" in found


def test_references_to_secrets_are_shown() -> None:
    """Which Secret a pod reads is what a plan is looked at for."""
    pod = {
        "env": [{"name": "SECRET_KEY", "valueFrom": {"secretKeyRef": {"key": "SECRET_KEY", "name": "shop-env"}}}],
        "imagePullSecrets": [{"name": "registry"}],
        "volumes": [{"name": "keys", "secret": {"defaultMode": 256, "secretName": "shop-keys"}}],
    }
    found = objects.diff([], [{"kind": "Pod", "spec": pod}])

    assert "(secret " not in found
    assert {"+        name: shop-env", "+  - name: registry", "+      secretName: shop-keys"} <= set(found.splitlines())
