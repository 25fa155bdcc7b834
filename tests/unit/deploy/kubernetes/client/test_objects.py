from __future__ import annotations

from typing import Any

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
