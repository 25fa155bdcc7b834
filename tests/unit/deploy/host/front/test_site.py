from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.deploy.host.state.test_revisions import make

from estiba.deploy.host.front import tls
from estiba.deploy.host.front.programs import FrontPrograms
from estiba.deploy.host.front.site import Site
from estiba.deploy.host.front.tls import Acme, Tls
from estiba.deploy.host.state.folder import StateFolder

TLS = Tls(hosts=("www.example.org", "example.org"), certificate=Path("/a.pem"), key=Path("/a.key"))
EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - not bound
SITE = Site(service="shop", folder=Path("/srv/shop"), port=8000, request_limit=60, addresses=EVERYWHERE, tls=TLS)


@pytest.fixture
def programs(tmp_path: Path) -> FrontPrograms:
    """Return the programs of a front with no ACME client."""
    folder = StateFolder(path=tmp_path / "front", uid=1000)
    return FrontPrograms(folder=folder, closure=make(tmp_path / "one"), env={}, memory={})


def test_plain_requests_are_redirected(programs: FrontPrograms) -> None:
    """To the same page by HTTPS, at the port that HTTPS has; challenges of ACME are answered, and no link followed."""
    ready = replace(SITE, tls=replace(TLS, https_port=8443)).describe(programs, "1.26.3-3")["ready"]

    assert "listen 0.0.0.0:80;\nlisten [::]:80;\nserver_name www.example.org example.org;" in ready
    assert "location / { return 308 https://$host:8443$request_uri; }" in ready
    assert "disable_symlinks on from=/srv/estiba/challenges;" in ready


def test_nothing_is_redirected_without_a_certificate(programs: FrontPrograms) -> None:
    """The page would lead nowhere."""
    waiting = SITE.describe(programs, "1.26.3-3")["waiting"]

    assert "location / { return 503; }" in waiting
    assert "ssl" not in waiting


@pytest.mark.parametrize(
    ("version", "lines"),
    [
        ("1.26.3-3+deb13u1", ["listen 0.0.0.0:443 ssl;", "http2 on;"]),
        ("1.22.1-9+deb12u9", ["listen 0.0.0.0:443 ssl http2;"]),
    ],
)
def test_http2_is_written_as_the_version_of_nginx_has_it(
    programs: FrontPrograms, version: str, lines: list[str]
) -> None:
    """It became a directive of its own."""
    ready = SITE.describe(programs, version)["ready"].splitlines()

    assert [line for line in ready if "0.0.0.0:443" in line or "http2 on" in line] == lines


def test_proxies_before_the_front_say_who_asks(programs: FrontPrograms) -> None:
    """Those that the target trusts, at the front, whose own word its nginx believes."""
    trusting = replace(SITE, tls=replace(TLS, trusted_proxies=("10.0.0.0/8",)))

    assert "set_real_ip_from 10.0.0.0/8;" in trusting.describe(programs, "1.26.3")["ready"]
    assert "set_real_ip_from" not in SITE.describe(programs, "1.26.3")["ready"]


def test_longest_name_fits_into_the_table_of_nginx() -> None:
    """Beside two pointers, in steps of one; otherwise nginx would not start, for no service."""
    text = (Path(__file__).parents[5] / "nix/build/host/front.conf").read_text()
    longest = ".".join(["a" * 63] * 4)[:253]
    (size,) = re.findall(r"server_names_hash_bucket_size (\d+);", text)

    assert tls.check({"tls": "acme", "acme": {"email": "a@b"}, "hosts": [longest]}) == []
    assert int(size) >= 3 * 8 + len(longest)


def test_client_gets_one_certificate_for_all_hosts(programs: FrontPrograms) -> None:
    """With a directory and an authority of one's own; what makes another certificate necessary is in the order."""
    acme = Acme(email="ops@example.org", directory="https://ca.example/dir", ca=Path("/ca.pem"))
    made = programs.acme("site-1", acme, TLS.hosts)
    other = programs.acme("site-1", replace(acme, email="new@example.org"), TLS.hosts)

    assert made["program"]["argv"] == [
        "/usr/bin/lego", "--accept-tos", "--server", "https://ca.example/dir", "--email", "ops@example.org",
        "--path", "/srv/acme", "--http", "--http.webroot", "/srv/estiba/challenges",
        "-d", "www.example.org", "-d", "example.org", "run",
    ]  # fmt: skip
    assert made["program"]["binds"]["/srv/ca.pem"] == "../../settings/site-1.pem"
    assert (made["chain"], made["key"]) == ("certificates/www.example.org.crt", "certificates/www.example.org.key")
    assert made["order"] == other["order"] != programs.acme("site-1", acme, ["example.org"])["order"]
