from __future__ import annotations

from pathlib import Path

import pytest

from estiba.deploy.host import environment, settings
from estiba.deploy.host.front.tls import Acme
from estiba.errors import ConfigError
from estiba.lock import freshness
from estiba.service import project as projects

HOSTS = {"hosts": ["www.example.org"]}
ACME = {"tls": "acme", "acme": {"email": "ops@example.org"}, **HOSTS}
FILES = {"tls": {"certificate": "site.pem", "key": "site.key"}, **HOSTS}


def load(**table: object) -> settings.Settings:
    """Read the settings of a target."""
    return settings.parse("local", table, folder=Path("/srv/shop"), state=Path("/var/lib/shop"))


def test_acme_needs_an_address_for_letters_alone() -> None:
    """The authority is that of the client, and the ports are those of the web."""
    found = load(**ACME)

    assert found.tls
    assert found.tls.acme == Acme(email="ops@example.org")
    assert (found.tls.http_port, found.tls.https_port, found.tls.address) == (80, 443, "")
    assert (found.address, found.trusted_proxies) == ("127.0.0.1", ("127.0.0.1",))


def test_paths_count_from_the_service() -> None:
    """Of the certificate, its key, and the authority's own certificate."""
    files = load(**FILES).tls
    acme = load(**{**ACME, "acme": {"email": "ops@example.org", "ca": "ca.pem"}}).tls

    assert files
    assert (files.certificate, files.key) == (Path("/srv/shop/site.pem"), Path("/srv/shop/site.key"))
    assert acme
    assert acme.acme
    assert acme.acme.ca == Path("/srv/shop/ca.pem")


def test_origins_are_those_of_https() -> None:
    """Whoever posts a form by plain HTTP is nobody that nginx sends here."""
    env = environment.names(load(**FILES), None)
    other = load(**FILES, **{"https-port": 8443})

    assert "CSRF_TRUSTED_ORIGINS" in env
    assert other.tls
    assert other.tls.origin("www.example.org") == "https://www.example.org:8443"


def test_no_tls_is_the_default() -> None:
    """The target's own nginx listens for everybody then, as it always did."""
    assert load().tls is None
    assert load(tls=False, address="0.0.0.0").address == "0.0.0.0"  # noqa: S104 - not bound


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        pytest.param({"tls": True, **HOSTS}, "'tls' must be 'acme', false, or a table", id="kind"),
        pytest.param({"tls": {"certificate": "a"}, **HOSTS}, "'tls' must be 'acme', false, or a table", id="no key"),
        pytest.param({"tls": "acme", "acme": {"email": "a@b"}}, "'hosts' must be set with 'tls'", id="no hosts"),
        pytest.param({**ACME, "acme": {}}, "'acme.email' must be an address", id="no address"),
        pytest.param({**ACME, "acme": {"email": "ops"}}, "not 'ops'", id="no mail"),
        pytest.param({**ACME, "acme": {"email": "-d@b"}}, "not '-d@b'", id="option"),
        pytest.param({**ACME, "acme": {"mail": "a@b"}}, "'acme': unknown key 'mail'", id="unknown"),
        pytest.param(
            {**ACME, "acme": {"email": "a@b", "directory": "http://ca"}},
            "'http://ca', not a URL with https",
            id="plain",
        ),
        pytest.param({**ACME, "hosts": ["192.0.2.1"]}, "'hosts' has '192.0.2.1'", id="address"),
        pytest.param({**FILES, "hosts": ["192.0.2.1"]}, "'hosts' has '192.0.2.1'", id="address with files"),
        pytest.param({**ACME, "address": "fe80::1%lo"}, "'address' is 'fe80::1%lo', not an IP", id="zone"),
        pytest.param({**ACME, "address": "localhost"}, "'address' is 'localhost', not an IP", id="name"),
        pytest.param({**ACME, "hosts": ["a;b"]}, "'hosts' has 'a;b'", id="directive"),
        pytest.param({**FILES, "hosts": ["WWW.example.org"]}, "a name in lower case", id="case"),
        pytest.param({**FILES, "acme": {"email": "a@b"}}, "'acme' is set, but 'tls' is not 'acme'", id="both"),
        pytest.param({"https-port": 8443}, "'https-port' is set, but 'tls' is not", id="port alone"),
        pytest.param({**FILES, "http-port": 443}, "'http-port' and 'https-port' are both 443", id="same"),
        pytest.param({**FILES, "port": 443}, "'port' and 'https-port' are both 443", id="own"),
        pytest.param({**FILES, "https-port": 70000}, "'https-port' is 70000, above 65535", id="large"),
    ],
)
def test_problems_are_named(table: dict[str, object], problem: str) -> None:
    """Before anything is done."""
    with pytest.raises(ConfigError) as caught:
        load(**table)

    assert problem in str(caught.value)


def test_lock_has_a_client_where_a_target_asks_for_one(tmp_path: Path) -> None:
    """Other services' locks stay as they are."""
    (tmp_path / "manage.py").write_text('import os\nos.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")\n')
    (tmp_path / "shop").mkdir()
    for name in ("__init__", "settings", "wsgi"):
        (tmp_path / "shop" / f"{name}.py").write_text("")
    target = '[tool.estiba]\nwsgi = "shop.wsgi:application"\n[tool.estiba.targets.production]\ntls = {}\n'
    names = {}
    for kind in ('"acme"', "false"):
        (tmp_path / "pyproject.toml").write_text('[project]\nname = "shop"\ndependencies = []\n' + target.format(kind))
        names[kind] = freshness.make_request(projects.load(tmp_path)).names("check")

    assert set(names['"acme"']) - set(names["false"]) == {"lego"}
