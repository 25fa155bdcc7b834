"""What visitors see."""

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import PermissionDenied, ValidationError
from django.shortcuts import resolve_url
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
    """A changed style sheet has a new address, and nothing is there twice or that no page asks for."""
    assert re.search(r"/static/site/site\.[0-9a-f]{12}\.css", visitor.get("/").text)
    assert not (Path(settings.STATIC_ROOT) / "site" / "site.css").exists()
    left_out = ("*.map", "rest_framework", "redoc*")
    assert [path for pattern in left_out for path in Path(settings.STATIC_ROOT).rglob(pattern)] == []


def test_icon_is_found(visitor: Client) -> None:
    """Pages that name no icon have one all the same."""
    assert re.fullmatch(r"/static/site/icon\.[0-9a-f]{12}\.svg", visitor.get("/favicon.ico").headers["Location"])


def test_unknown_page_is_not_found(visitor: Client) -> None:
    """An unknown address is answered with a page of ours."""
    page = visitor.get("/no-such-page")

    assert (page.status_code, "There is no page at this address" in page.text) == (404, True)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("path", "words"),
    [("/", "Todavía no hay nada escrito."), ("/no-such-page", "Página no encontrada"), ("/admin/login/", "Contraseña")],
)
def test_pages_speak_spanish(visitor: Client, path: str, words: str) -> None:
    """Who asks for Spanish gets it, and a screen reader is told so."""
    page = visitor.get(path, headers={"accept-language": "es-MX,es;q=0.9,en;q=0.5"})

    assert words in page.text
    assert ('<html lang="es' in page.text, page.headers["Content-Language"]) == (True, "es")


def test_every_message_is_translated() -> None:
    """What pages say has a translation, and no translation is left over."""
    sources = [*settings.BASE_DIR.glob("*/templates/**/*.html"), *settings.BASE_DIR.glob("*/models.py")]
    text = "\n".join(file.read_text(encoding="utf-8") for file in sources)
    said = set(re.findall(r'(?:\btranslate |\b_\()"([^"]+)"', text))
    files = settings.BASE_DIR.glob("*/locale/es/LC_MESSAGES/django.po")
    entries = [re.findall(r'^msgid "(.+)"\nmsgstr "(.+)"$', file.read_text("utf-8"), re.MULTILINE) for file in files]

    assert {message for found in entries for message, _ in found} == said


def test_address_without_its_slash_is_found(visitor: Client) -> None:
    """People leave it out."""
    assert visitor.get("/api/docs").headers["Location"] == "/api/docs/"


@pytest.mark.django_db
def test_queues_are_for_staff(visitor: Client) -> None:
    """Others have to log in, which is where the admin has it."""
    asked = visitor.get("/queues/")
    visitor.force_login(get_user_model().objects.create_superuser("ada"))

    assert (asked.status_code, asked.headers["Location"]) == (302, "/admin/login/?next=/queues/")
    assert visitor.get("/queues/").status_code == 200
    assert resolve_url(settings.LOGIN_URL) == "/admin/login/"


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("grace.hopper", "password_too_similar"),
        ("q7#xK2", "password_too_short"),
        ("password", "password_too_common"),
        ("83920174651", "password_entirely_numeric"),
    ],
)
def test_weak_password_is_refused(password: str, code: str) -> None:
    """Each kind of a bad password is told as what it is."""
    with pytest.raises(ValidationError) as caught:
        validate_password(password, get_user_model()(username="grace.hopper"))

    assert [error.code for error in caught.value.error_list] == [code]


def test_fault_is_a_page_too(visitor: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault is answered with a page of ours, without a traceback."""
    monkeypatch.setattr("{{ cookiecutter.project_slug }}.views.render", lambda *_: 1 / 0)

    page = visitor.get("/")

    assert (page.status_code, "The fault is ours" in page.text) == (500, True)


def test_forbidden_page_is_ours(visitor: Client) -> None:
    """A form without its token is answered with a page of ours, and so is one for an unknown host."""
    refused = Client(enforce_csrf_checks=True, headers={"x-forwarded-proto": "https"}).post("/admin/login/")
    unknown = visitor.get("/", headers={"host": "elsewhere.example"})

    assert (refused.status_code, "You may not see this page" in refused.text) == (403, True)
    assert (unknown.status_code, "This request makes no sense" in unknown.text) == (400, True)
    page = problems.forbidden(RequestFactory().get("/"), PermissionDenied())
    assert (page.status_code, "You may not see this page" in page.text) == (403, True)


@override_settings(SECURE_SSL_REDIRECT=True)
def test_plain_http_is_sent_to_https() -> None:
    """Nobody reads pages without encryption, unless on a developer's machine, where these tests run too."""
    answer = Client().get("/")

    assert (answer.status_code, answer.headers["Location"]) == (301, "https://testserver/")
