"""The template's pages in a real browser, and a login through a real Keycloak, on a service that is deployed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pytest
from tests.services import browser, harbour, keycloak, ports

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.services.keycloak import Keycloak

PAGES: Final = {"/": 200, "/api/docs/": 200, "/admin/login/": 200, "/no-such-page": 404, "/fault/": 500}
FOREIGN: Final = {"/api/docs/": ("color-contrast", "nested-interactive")}
"""Rules of accessibility that a page breaks which is not ours: Swagger UI has the colours and buttons of its makers."""

STAFF: Final = ("/admin/", "/admin/harbour/entry/add/", "/admin/lending/item/", "/queues/")
ADMIN: Final = "root"
FAULT: Final = '    path("fault/", lambda request: 1 / 0),\n'
MAKE_ADMIN: Final = f"""
from harbour.models import User
User.objects.create_superuser("{ADMIN}", password="{keycloak.PASSWORD}")
"""
TARGET: Final = """
[tool.estiba.targets.local]
folder = "../state"
memory = "512MB"
port = {port}
smoke = ["/", "/api/docs/"]
env-file = "../secrets.env"
env = {{ OIDC_ISSUER = "{issuer}" }}
"""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the service is.

    Attributes:
        url: Its address.
        folder: Its sources.
        keycloak: Where its people log in.
    """

    url: str
    folder: Path
    keycloak: Keycloak


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Deploy the template's service, with its people in Keycloak and a page that fails."""
    top = tmp_path_factory.mktemp("pages")
    port = ports.find_free()
    url = f"http://127.0.0.1:{port}"
    with keycloak.starting(ports.find_free(), url, "harbour") as server:
        folder = harbour.make(top / "harbour", settings='platforms = ["x86_64-linux"]\n')
        (top / "secrets.env").write_text(f"OIDC_CLIENT_SECRET={keycloak.SECRET}\n")
        pyproject, urls = folder / "pyproject.toml", folder / "config" / "urls.py"
        text = pyproject.read_text().replace('extras = ["excel"]', 'extras = ["excel", "oidc"]')
        pyproject.write_text(text + TARGET.format(port=port, issuer=server.issuer))
        urls.write_text(urls.read_text().replace("urlpatterns = [\n", f"urlpatterns = [\n{FAULT}"))
        try:
            for command in ("lock", "fetch", "deploy"):
                harbour.invoke(folder, command)
            harbour.invoke(folder, "manage", "--", "shell", "-c", MAKE_ADMIN)
            yield Place(url=url, folder=folder, keycloak=server)
        finally:
            harbour.invoke(folder, "down")


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Run the browser."""
    with browser.run(tmp_path_factory.mktemp("browser")) as running:
        yield running


@pytest.fixture
def phone(chromium: Any, place: Place) -> Iterator[Any]:  # noqa: ANN401 - Playwright's, as below
    """Return a page on a phone, of a person who reads English."""
    with chromium.new_context(base_url=place.url, viewport=browser.PHONE, locale="en-GB") as context:
        yield context.new_page()


def log_in(page: Any) -> None:  # noqa: ANN401
    """Enter the admin."""
    page.goto("/admin/login/?next=/admin/")
    page.fill("#id_username", ADMIN)
    page.fill("#id_password", keycloak.PASSWORD)
    page.click("[type=submit]")


@pytest.mark.parametrize("path", PAGES)
def test_page_is_for_everybody(phone: Any, path: str) -> None:  # noqa: ANN401
    """The browser has no complaint, nobody is kept out, and nobody has to scroll sideways on a phone."""
    said = browser.listen(phone)

    assert phone.goto(path, wait_until="networkidle").status == PAGES[path]
    barriers = browser.find_barriers(phone, *FOREIGN.get(path, ()))
    assert (said, barriers, browser.is_too_wide(phone)) == ([], [], False)


def test_staff_works_on_a_phone(phone: Any) -> None:  # noqa: ANN401
    """So it is with the pages behind the login, which are Django's and django-rq's."""
    log_in(phone)
    said = browser.listen(phone)

    for path in STAFF:
        assert phone.goto(path, wait_until="networkidle").status == 200, path
        assert (path, said, browser.is_too_wide(phone)) == (path, [], False)


def test_form_without_its_cookie_is_refused_politely(phone: Any) -> None:  # noqa: ANN401
    """The page of status 403 is one of ours, and for everybody too."""
    phone.goto("/admin/login/")
    phone.context.clear_cookies()
    with phone.expect_navigation() as answered:
        phone.evaluate("document.querySelector('form').submit()")

    assert (answered.value.status, phone.inner_text("h1")) == (403, "Not allowed")
    assert (browser.find_barriers(phone), browser.is_too_wide(phone)) == ([], False)


def test_pages_speak_spanish(chromium: Any, place: Place) -> None:  # noqa: ANN401
    """The build has compiled the translation."""
    with chromium.new_context(base_url=place.url, locale="es-MX") as context:
        page = context.new_page()
        page.goto("/")

        assert "Todavía no hay nada escrito." in page.inner_text("main")
        assert page.get_attribute("html", "lang") == "es"


def test_people_log_in_through_keycloak(phone: Any, place: Place) -> None:  # noqa: ANN401
    """A person who is known there alone comes back logged in, by a mail address that is verified."""
    place.keycloak.wait()
    assert phone.goto("/api/entries/").status == 401

    phone.goto("/oidc/authenticate/")
    assert phone.url.startswith(place.keycloak.issuer)
    phone.fill("#username", keycloak.PERSON["username"])
    phone.fill("#password", keycloak.PASSWORD)
    phone.click("[type=submit]")
    phone.wait_for_url(f"{place.url}/")

    assert phone.goto("/api/entries/").status == 200
    who = "from harbour.models import User; print(*User.objects.values_list('email', flat=True))"
    assert keycloak.PERSON["email"] in harbour.invoke(place.folder, "manage", "--", "shell", "-c", who).stdout


def test_deployment_lends_and_takes_back(place: Place) -> None:
    """A release whose audit log misses what people do is taken back: `manage.py smoke` is part of a deployment."""
    models = place.folder / "lending" / "models.py"
    registered = "auditlog.register(Assignment)\n"
    assert registered in models.read_text()
    models.write_text(models.read_text().replace(registered, ""))

    done = harbour.invoke(place.folder, "deploy", check=False)

    assert done.returncode == 5, done.stderr
    assert "manage.py smoke failed" in done.stderr
    assert "the audit log has [('item', 'create')] instead of" in done.stderr
