"""The API: documentation, tokens, problems, and the audit log."""

import json

import pytest
from auditlog.models import LogEntry
from django.contrib.auth import get_user_model
from django.core import mail
from django.core.mail import send_mail
from django.test import Client, override_settings
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken

from config.logs import RELEASE
from {{ cookiecutter.project_slug }}.models import Entry

PASSWORD = "correct horse battery"  # noqa: S105 - of people who are not there
HTTPS = {"x-forwarded-proto": "https"}


@pytest.fixture
def client() -> Client:
    """Return a program that comes by HTTPS and gets answers instead of exceptions."""
    return Client(raise_request_exception=False, headers=HTTPS)


@pytest.fixture
def ada(client: Client) -> Client:
    """Return the same with the token of a member of staff."""
    get_user_model().objects.create_user("ada", password=PASSWORD, is_staff=True)
    token = client.post("/api/token/", {"username": "ada", "password": PASSWORD}).json()["access"]
    return Client(raise_request_exception=False, headers={**HTTPS, "authorization": f"Bearer {token}"})


def test_documentation_is_a_page(client: Client) -> None:
    """`/api/docs/` answers without a login and without other hosts, its scripts and styles are there."""
    page = client.get("/api/docs/")

    assert page.status_code == 200
    assert "http://" not in page.text
    assert "https://" not in page.text.replace("https://testserver", "")
    assert client.get("/api/docs/?script=").headers["Content-Type"].startswith("application/javascript")


def test_schema_is_valid() -> None:
    """The description of the API is valid OpenAPI, without a warning."""
    schema = SchemaGenerator().get_schema(request=None, public=True)

    validate_schema(schema)
    assert (schema["info"]["version"], "/api/schema/" in schema["paths"]) == (RELEASE, False)
    assert {"/api/entries/", "/api/token/", "/api/audit_log/"} <= set(schema["paths"])


@pytest.mark.django_db
def test_without_token_nothing_is_told(client: Client) -> None:
    """A stranger gets a problem, as does one with a token that is none."""
    for headers in ({}, {"authorization": "Bearer nonsense"}):
        answer = client.get("/api/entries/", headers=headers)
        assert (answer.status_code, answer.headers["Content-Type"]) == (401, "application/problem+json")


@pytest.mark.django_db
def test_tokens_end_soon(client: Client) -> None:
    """A token is good for a quarter of an hour, and for a day another one can be had with what came with it."""
    get_user_model().objects.create_user("ada", password=PASSWORD)
    given = client.post("/api/token/", {"username": "ada", "password": PASSWORD}).json()
    renewed = client.post("/api/token/refresh/", {"refresh": given["refresh"]})

    lives = [token["exp"] - token["iat"] for token in (AccessToken(given["access"]), RefreshToken(given["refresh"]))]
    assert lives == [15 * 60, 24 * 60 * 60]
    assert (renewed.status_code, list(renewed.json())) == (200, ["access"])


@pytest.mark.django_db
def test_long_list_comes_in_parts(client: Client) -> None:
    """Who is logged in may ask, too, and gets JSON whatever a browser prefers, fifty entries at a time."""
    Entry.objects.bulk_create(Entry(text=f"line {number}") for number in range(51))
    client.force_login(get_user_model().objects.create_user("ada"))
    answer = client.get("/api/entries/", headers={"accept": "text/html,*/*;q=0.8"})

    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
    assert (answer.json()["count"], len(answer.json()["results"])) == (51, 50)


@pytest.mark.django_db
def test_change_is_in_the_audit_log(ada: Client) -> None:
    """What is written through the API is in the audit log, with the person and the request."""
    made = ada.post("/api/entries/", {"text": "the pilot is aboard"})

    assert made.status_code == 201
    (entry,) = ada.get(f"/api/audit_log/?cid={made.headers['X-Request-ID']}").json()["results"]
    assert (entry["action"], entry["model"], entry["actor"]) == ("create", "entry", "ada")
    assert LogEntry.objects.get(pk=entry["id"]).remote_addr == "127.0.0.1"


@pytest.mark.django_db
def test_audit_log_is_for_staff(client: Client) -> None:
    """Others may not read what was done, and a login without the right is told so."""
    get_user_model().objects.create_user("bob", password=PASSWORD)
    token = client.post("/api/token/", {"username": "bob", "password": PASSWORD}).json()["access"]

    assert client.get("/api/audit_log/", headers={"authorization": f"Bearer {token}"}).status_code == 403


@pytest.mark.django_db
def test_guessing_passwords_is_slow(client: Client) -> None:
    """After twenty attempts within a minute a stranger has to wait, whatever address it claims; others need not."""

    def guess(address: str) -> int:
        # What the client itself says comes before what the proxy says of it.
        headers = {"x-forwarded-for": f"10.0.0.{len(codes)}, {address}"}
        return client.post("/api/token/", {"username": "ada", "password": "guess"}, headers=headers).status_code

    codes: list[int] = []
    for _ in range(21):
        codes.append(guess("192.0.2.9"))

    assert (set(codes[:20]), codes[20]) == ({401}, 429)
    assert guess("192.0.2.10") == 401


@pytest.mark.django_db
def test_problem_lists_what_is_wrong(ada: Client) -> None:
    """An answer to bad values is a problem with the reasons and the id of the request."""
    answer = ada.post("/api/entries/", {"text": ""}, headers={"accept": "text/csv, */*"})

    problem = json.loads(answer.text)
    assert (answer.status_code, answer.headers["Content-Type"]) == (400, "application/problem+json")
    assert (problem["status"], problem["title"], list(problem["errors"])) == (400, "Bad Request", ["text"])
    assert problem["request_id"] == answer.headers["X-Request-ID"]


@pytest.mark.django_db
def test_fault_is_a_problem(ada: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of ours is a problem without a traceback."""
    monkeypatch.setattr("{{ cookiecutter.project_slug }}.api.EntryViewSet.get_queryset", lambda _: 1 / 0)
    answer = ada.get("/api/entries/")

    assert (answer.status_code, answer.headers["Content-Type"]) == (500, "application/problem+json")
    assert set(answer.json()) == {"type", "title", "status", "request_id"}


def test_unknown_address_is_a_problem(client: Client) -> None:
    """Programs get no page where there is nothing, and none either for a host that is not ours."""
    answer = client.get("/api/no-such-thing/")
    elsewhere = client.get("/api/entries/", headers={"host": "elsewhere.example"})

    assert (answer.status_code, answer.headers["Content-Type"]) == (404, "application/problem+json")
    assert (elsewhere.status_code, elsewhere.headers["Content-Type"]) == (400, "application/problem+json")


def test_foreign_page_may_not_ask(client: Client) -> None:
    """Browsers are told that pages of other origins may not read the answers."""
    answer = client.get("/api/docs/", headers={"origin": "https://elsewhere.example"})

    assert "Access-Control-Allow-Origin" not in answer.headers


def test_known_page_may_ask(client: Client) -> None:
    """Pages of an origin that is named may read the answers."""
    with override_settings(CORS_ALLOWED_ORIGINS=["https://shop.example"]):
        answer = client.get("/api/docs/", headers={"origin": "https://shop.example"})

    assert answer.headers["Access-Control-Allow-Origin"] == "https://shop.example"


def test_mail_has_a_sender() -> None:
    """Mail goes out in the name of the service."""
    send_mail("Welcome", "aboard", None, ["ada@example.org"])

    assert (mail.outbox[0].from_email, mail.outbox[0].to) == (
        "{{ cookiecutter.project_slug }}@localhost",
        ["ada@example.org"],
    )
