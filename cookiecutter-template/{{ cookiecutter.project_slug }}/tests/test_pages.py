"""What visitors see."""

import pytest
from django.core.exceptions import PermissionDenied
from django.test import Client, RequestFactory, override_settings

from config import problems
from {{ cookiecutter.project_slug }}.models import Entry


@pytest.fixture
def visitor() -> Client:
    """Return a visitor who comes by HTTPS and gets error pages instead of exceptions."""
    return Client(raise_request_exception=False, headers={"x-forwarded-proto": "https"})


@pytest.mark.django_db
def test_front_page_shows_entries(visitor: Client) -> None:
    """The front page shows what was written."""
    Entry.objects.create(text="the pilot is aboard")

    page = visitor.get("/")

    assert (page.status_code, "the pilot is aboard" in page.text) == (200, True)


@pytest.mark.django_db
def test_static_files_have_hashed_names(visitor: Client) -> None:
    """A changed style sheet has a new address."""
    assert "/static/site/site.css" not in visitor.get("/").text


def test_unknown_page_is_not_found(visitor: Client) -> None:
    """An unknown address is answered with a page of ours."""
    page = visitor.get("/no-such-page")

    assert (page.status_code, "There is no page at this address" in page.text) == (404, True)


def test_fault_is_a_page_too(visitor: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault is answered with a page of ours, without a traceback."""
    monkeypatch.setattr("{{ cookiecutter.project_slug }}.views.render", lambda *_: 1 / 0)

    page = visitor.get("/")

    assert (page.status_code, "The fault is ours" in page.text) == (500, True)


def test_forbidden_page_is_ours(visitor: Client) -> None:
    """A form without its token is answered with a page of ours, and so is one for an unknown host."""
    refused = Client(enforce_csrf_checks=True, headers={"x-forwarded-proto": "https"}).post("/admin/login/")
    unknown = visitor.get("/", headers={"host": "elsewhere.example"})

    assert refused.status_code == 403
    assert (unknown.status_code, "This request makes no sense" in unknown.text) == (400, True)
    page = problems.forbidden(RequestFactory().get("/"), PermissionDenied())
    assert (page.status_code, "You may not see this page" in page.text) == (403, True)


@override_settings(SECURE_SSL_REDIRECT=True)
def test_plain_http_is_sent_to_https() -> None:
    """Nobody reads pages without encryption, unless on a developer's machine, where these tests run too."""
    answer = Client().get("/")

    assert (answer.status_code, answer.headers["Location"]) == (301, "https://testserver/")
