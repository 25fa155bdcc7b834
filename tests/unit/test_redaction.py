"""Secrets leave texts and JSON values; what only looks like one stays."""

from __future__ import annotations

import base64

import pytest

from estiba.redaction import is_secret, redact_mapping, redact_text

KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEA\n-----END OPENSSH PRIVATE KEY-----"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        pytest.param("SECRET_KEY=hunter2 DEBUG=1", "SECRET_KEY=*** DEBUG=1", id="variable"),
        pytest.param('{"db_password": "a \\"b", "user": "c"}', '{"db_password": "***", "user": "c"}', id="json"),
        pytest.param("+  apiKey: hunter2", "+  apiKey: ***", id="yaml-diff"),
        pytest.param("PGPASSWORD='hunter 2' psql", "PGPASSWORD='***' psql", id="shell"),
        pytest.param("tool --password hunter2 -v", "tool --password *** -v", id="option"),
        pytest.param("postgresql://app:hunter2@db/app", "postgresql://app:***@db/app", id="url"),
        pytest.param("redis://:hunter2@redis/0", "redis://:***@redis/0", id="url-without-user"),
        pytest.param("GET https://a.example/?token=hunter2", "GET https://a.example/?token=***", id="query"),
        pytest.param("sent Bearer abcdef123456", "sent Bearer ***", id="bearer"),
        pytest.param("got eyJhbGciOiJI.eyJzdWIi.c2ln", "got ***", id="jwt"),
        pytest.param(KEY, "-----BEGIN OPENSSH PRIVATE KEY-----***-----END OPENSSH PRIVATE KEY-----", id="private-key"),
        pytest.param(
            "a:\n  password: |\n    hunter2\n\n    more\n  host: b",
            "a:\n  password: ***\n  host: b",
            id="yaml-block",
        ),
        pytest.param(
            "- name: DB_PASSWORD\n  value: hunter2\n", "- name: DB_PASSWORD\n  value: ***\n", id="yaml-variable"
        ),
        pytest.param('{"name":"TOKEN","value":"a b"}', '{"name":"TOKEN","value":"***"}', id="json-variable"),
        pytest.param(
            r"{\"name\":\"TOKEN\",\"value\":\"a b\"}", r"{\"name\":\"TOKEN\",\"value\":***}", id="json-in-json"
        ),
        pytest.param(
            "{Name:TOKEN Value:hunter2 ValueFrom:nil}", "{Name:TOKEN Value:*** ValueFrom:nil}", id="go-variable"
        ),
        pytest.param("- name: TOKEN\n  valueFrom:\n", "- name: TOKEN\n  valueFrom:\n", id="variable-by-reference"),
        pytest.param("https://ghp_0123456789abcdef@github.com/a", "https://***@github.com/a", id="token-as-user"),
        pytest.param("https://ana@git.example/a", "https://ana@git.example/a", id="user"),
        pytest.param("secretName: shop-secrets", "secretName: shop-secrets", id="name-of-a-secret"),
        pytest.param("existingSecret: shop", "existingSecret: shop", id="existing-secret"),
        pytest.param("automountServiceAccountToken: false", "automountServiceAccountToken: false", id="boolean"),
        pytest.param("missing: SECRET_KEY, DATABASE_URL", "missing: SECRET_KEY, DATABASE_URL", id="names-only"),
        pytest.param("tag: v1.2.0 at 10:30", "tag: v1.2.0 at 10:30", id="ordinary"),
    ],
)
def test_secrets_are_found_by_what_precedes_them(text: str, wanted: str) -> None:
    """A text keeps its names and loses its secrets."""
    assert redact_text(text) == wanted


def test_known_values_are_found_in_all_forms() -> None:
    """A known secret is found as it is, in a URL, in JSON and in base64."""
    secret = 'p@ss "word"/1'
    coded = base64.b64encode(secret.encode()).decode()
    text = f'a {secret} b p%40ss%20%22word%22%2F1 c p@ss \\"word\\"/1 d {coded}'

    assert redact_text(text, [secret]) == "a *** b *** c *** d ***"


def test_longer_values_go_first() -> None:
    """A secret that begins with another one leaves nothing behind."""
    assert redact_text("hunter22", ["hunter2", "hunter22"]) == "***"


def test_short_values_are_not_searched() -> None:
    """A known value of one letter does not blot out the text."""
    assert redact_text("a release at last", ["a", ""]) == "a release at last"


def test_mappings_are_redacted_at_all_depths() -> None:
    """Texts and numbers below a secret name go; others are redacted as texts."""
    given = {
        "credentials": {"user": "ana", "pin": 1234, "on": True},
        "counts": {"loans": 12},
        "notes": ["TOKEN=hunter2", None, ("https://a:hunter2@b",)],
        "password": "",
    }

    assert redact_mapping(given) == {
        "credentials": {"user": "***", "pin": "***", "on": True},
        "counts": {"loans": 12},
        "notes": ["TOKEN=***", None, ["https://a:***@b"]],
        "password": "",
    }


@pytest.mark.parametrize("name", ["SECRET_KEY", "apiKey", "DB_PASSWORD", "authToken", "aws_access_key", "SENTRY_DSN"])
def test_secret_names(name: str) -> None:
    """The usual names of secrets are known."""
    assert is_secret(name)


@pytest.mark.parametrize("name", ["primary_key", "secretName", "secretKeyRef", "TOKEN_FILE", "keyboard", "host"])
def test_ordinary_names(name: str) -> None:
    """The name of a reference to a secret is none."""
    assert not is_secret(name)


def test_long_texts_are_quick() -> None:
    """A long word without end does not slow the search down."""
    text = "x" * 200_000 + "-secret" * 2_000

    assert redact_text(text) == text


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Authorization: Token 9944b09199c62bcf", "Authorization: ***"),
        ("Cookie: csrftoken=aaaa; sessionid=s3ss10n", "Cookie: ***"),
        ("postgres://user:p@ss@host/db", "postgres://user:***@host/db"),
    ],
)
def test_value_with_blanks_or_signs_is_hidden_whole(text: str, left: str) -> None:
    """Nothing of it is left behind a blank or an @."""
    assert redact_text(text) == left
