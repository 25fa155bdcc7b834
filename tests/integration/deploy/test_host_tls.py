"""TLS of services on one machine: two of them behind one front, with a certificate of an authority and with files."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import ssl
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

import pytest
from tests.services import authority, harbour, locking, ports
from tests.unit.deploy.host.front.test_certificate import FILES

from estiba.deploy.host.state.folder import StateFolder
from estiba.deploy.host.supervise.runit import Runit
from estiba.lock import freshness, model
from estiba.service import project as projects

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

    from tests.services.authority import Authority

VALID = 6 * 86400
"""How long the certificates are valid, in seconds: short enough for a warning."""

LIMIT = 120.0
SITES = """
[tool.estiba.targets.shop]
folder = "../shop"
hosts = ["a.example.test", "b.example.test"]
tls = "acme"
address = "127.0.0.1"
http-port = {http}
https-port = {https}
acme = {{email = "ops@example.test", directory = "{directory}", ca = "{ca}"}}

[tool.estiba.targets.shop.env]
TINY_DATABASE = "/tmp/tiny.sqlite3"

[tool.estiba.targets.blog]
folder = "../blog"
hosts = ["www.example.org"]
tls = {{certificate = "../good.pem", key = "../good.key"}}
address = "127.0.0.1"
http-port = {http}
https-port = {https}

[tool.estiba.targets.blog.env]
TINY_DATABASE = "/tmp/tiny.sqlite3"
"""
URLS = """
from django.http import HttpResponse
from django.urls import path



def page(request):
    asked = f"{request.scheme} {request.META.get('HTTP_X_FORWARDED_FOR')}"
    return HttpResponse(asked, headers=dict(request.GET.items()))


urlpatterns = [path("", page)]
"""
SETTINGS = '\nSECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")\n'


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Two services with one front.

    Attributes:
        folder: The services' sources, which are the same.
        state: The folder of all state.
        ca: The authority.
        root: Its root certificate.
        https: The port of HTTPS.
    """

    folder: Path
    state: Path
    ca: Authority
    root: Path
    https: int

    def invoke(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a task."""
        return harbour.invoke(self.folder, *arguments, check=check, ESTIBA_STATE_DIR=str(self.state))

    def connect(self, host: str, *protocols: str) -> ssl.SSLSocket:
        """Connect as a browser that trusts the authority does."""
        context = ssl.create_default_context(cafile=str(self.root))
        if protocols:
            context.set_alpn_protocols(list(protocols))
        return context.wrap_socket(socket.create_connection(("127.0.0.1", self.https), 20), server_hostname=host)

    def ask(self, host: str, head: str = "", path: str = "/") -> str:
        """Return head and body of the page."""
        with self.connect(host) as connection:
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n{head}Connection: close\r\n\r\n".encode())
            return b"".join(iter(lambda: connection.recv(65536), b"")).decode()

    def plain(self, host: str, path: str) -> str:
        """Return the head of an answer by HTTP."""
        with socket.create_connection(("127.0.0.1", self.ca.http_port), 20) as connection:
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            return b"".join(iter(lambda: connection.recv(65536), b"")).decode()

    def serial(self, host: str) -> str:
        """Return the serial number of the certificate that a host has."""
        with self.connect(host) as connection:
            return str((connection.getpeercert() or {})["serialNumber"])


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """Deploy both services; the first has a certificate that an authority issues, by HTTP through the front."""
    place = tmp_path_factory.mktemp("tls")
    folder = locking.prepare(locking.copy("tiny", place / "tiny"))
    (folder / "tiny" / "urls.py").write_text(URLS)
    settings = folder / "tiny" / "settings.py"
    text = settings.read_text().replace('":memory:"', 'os.environ.get("TINY_DATABASE", ":memory:")')
    settings.write_text(text + SETTINGS)
    for name in ("good.pem", "good.key"):
        shutil.copyfile(FILES / name, place / name)
        (place / name).chmod(0o600)
    # A nonce in twenty is refused, as any authority may.
    with authority.running(place, seconds=VALID, PEBBLE_WFE_NONCEREJECT="5") as ca:
        https = ports.find_free()
        with (folder / "pyproject.toml").open("a") as file:
            file.write(SITES.format(http=ca.http_port, https=https, directory=ca.directory, ca=ca.ca))
        root = place / "root.pem"
        root.write_text(ca.root() + (FILES / "good.pem").read_text())
        made = Machine(folder=folder, state=place / "all", ca=ca, root=root, https=https)
        try:
            lock_client(folder)
            for command in (("fetch",), ("deploy", "--target", "shop"), ("deploy", "--target", "blog")):
                made.invoke(*command)
            yield made
        finally:
            for name in ("shop", "blog"):
                made.invoke("down", "--target", name, check=False)


def lock_client(folder: Path) -> None:
    """Add to the lock what `invoke lock` adds for a target with ACME, in a minute less."""
    file = folder / "estiba.lock"
    begin = '"debs": [\n'
    lock = model.parse(file.read_text().replace(begin, begin + (FILES.parent / "lego.txt").read_text()))
    file.write_text(model.render(replace(lock, inputs=freshness.hash_inputs(projects.load(folder)))))


def test_hosts_lead_to_their_services_by_https(machine: Machine) -> None:
    """All with a valid certificate, by HTTP/2, and with HSTS; the service knows who asks, and that it was by HTTPS."""
    answer = machine.ask("b.example.test", "X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Proto: http\r\n")

    assert answer.startswith("HTTP/1.1 200 OK\r\n")
    assert "https 127.0.0.1" in answer
    assert "\r\nStrict-Transport-Security: max-age=31536000\r\n" in answer
    assert "https 127.0.0.1" in machine.ask("www.example.org")
    with machine.connect("a.example.test", "h2", "http/1.1") as connection:
        assert connection.selected_alpn_protocol() == "h2"
        assert connection.version() == "TLSv1.3"


def test_services_own_word_on_https_counts(machine: Machine) -> None:
    """A header twice would count for nothing (RFC 6797, 8.1)."""
    answer = machine.ask("a.example.test", path="/?Strict-Transport-Security=max-age%3D60")

    assert answer.count("Strict-Transport-Security: ") == 1
    assert "\r\nStrict-Transport-Security: max-age=60\r\n" in answer


def test_plain_requests_are_redirected(machine: Machine) -> None:
    """To the same page; a name that nobody has leads nowhere, by either port."""
    found = machine.plain("a.example.test", "/x?y=1")

    assert found.startswith("HTTP/1.1 308 ")
    assert f"\r\nLocation: https://a.example.test:{machine.https}/x?y=1\r\n" in found
    assert machine.plain("other.example.test", "/").startswith("HTTP/1.1 404 ")
    with pytest.raises(ssl.SSLError, match=r"(?i)unrecognized.name"):
        machine.connect("other.example.test")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_old_tls_is_refused(machine: Machine) -> None:
    """Since 2021 it is deprecated (RFC 8996)."""
    context = ssl.create_default_context(cafile=str(machine.root))
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    plain = socket.create_connection(("127.0.0.1", machine.https), 20)
    with plain, pytest.raises((ssl.SSLError, OSError)):
        context.wrap_socket(plain, server_hostname="a.example.test")


def test_status_says_how_long_the_certificate_is_valid(machine: Machine) -> None:
    """And warns two weeks before."""
    shop = json.loads(machine.invoke("status", "--target", "shop", "--json").stdout)
    blog = json.loads(machine.invoke("status", "--target", "blog", "--json").stdout)

    assert shop["ready"]
    assert shop["urls"]["page"] == f"https://a.example.test:{machine.https}/"
    assert 0 <= shop["details"]["certificate"]["days"] <= 5
    assert any(note.startswith("the certificate ends in ") for note in shop["notes"])
    assert blog["details"]["certificate"]["days"] > 30000
    assert blog["notes"] == []


def test_keys_are_read_by_nginx_alone(machine: Machine) -> None:
    """No other user can list or read them, and they are in no log, argument or file of the Nix store."""
    front = machine.state / "_front"
    (key,) = [path for path in front.glob("serve/certificates/*.pem") if "a.example.test" not in path.name][:1]
    secret = key.read_text().partition("PRIVATE KEY-----\n")[2][:60]
    logs = [path.read_text(errors="replace") for path in front.glob("logs/*/current")]

    assert (front / "serve/certificates").stat().st_mode & 0o007 == 0
    assert all(path.stat().st_mode & 0o007 == 0 for path in front.glob("serve/certificates/*"))
    assert (front / "data/acme").stat().st_mode & 0o077 == 0
    assert not any(secret in text for text in logs)
    assert secret not in "".join(path.read_text() for path in front.glob("sites/*.json"))


class Visitors:
    """Two who ask again and again, each time by a new connection."""

    def __init__(self, machine: Machine) -> None:
        self.answers: list[str] = []
        self._machine, self._is_over = machine, threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(2)]

    def __enter__(self) -> Self:
        """Begin."""
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self._is_over.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        while not self._is_over.is_set():
            try:
                answer = self._machine.ask("a.example.test").partition("\r\n")[0]
            except OSError as error:
                answer = repr(error)
            self.answers.append(answer)


def test_renewal_loses_no_request(machine: Machine) -> None:
    """A new certificate with a new key is served after the reload; the authority's account is the same."""
    front = machine.state / "_front"
    accounts = sorted(front.glob("data/acme/accounts/*/*/account.json"))
    before = machine.serial("a.example.test")
    with Visitors(machine) as visitors:
        for path in front.glob("certificates/*.json"):
            path.unlink()
        machine.invoke("deploy", "--target", "shop")
        end = time.monotonic() + LIMIT
        while machine.serial("a.example.test") == before and time.monotonic() < end:
            time.sleep(0.2)

    assert machine.serial("a.example.test") != before
    assert set(visitors.answers) == {"HTTP/1.1 200 OK"}
    assert sorted(front.glob("data/acme/accounts/*/*/account.json")) == accounts
    assert len(accounts) == 1


def test_killed_front_comes_back(machine: Machine) -> None:
    """Its nginx by its supervisor, and all of it by the next deployment where that is gone; nothing is left behind."""
    front = machine.state / "_front"

    runit = Runit(folder=StateFolder.at(front), names=())
    (supervisor,) = runit._find()
    os.kill(supervisor, signal.SIGKILL)
    os.kill(int((front / "services/nginx/supervise/pid").read_text()), signal.SIGKILL)
    end = time.monotonic() + LIMIT
    while time.monotonic() < end:
        with suppress(OSError):
            if machine.ask("a.example.test").startswith("HTTP/1.1 200 OK"):
                break
        time.sleep(0.2)
    told = machine.invoke("status", "--target", "shop", check=False)
    machine.invoke("deploy", "--target", "shop")

    assert "the front of this machine, which ends TLS, does not run as a whole" in told.stderr
    assert len(runit._find()) == 1
    assert machine.ask("a.example.test").startswith("HTTP/1.1 200 OK")
    assert json.loads(machine.invoke("status", "--target", "shop", "--json").stdout)["ready"]


def test_refused_names_are_told_and_the_rest_is_served(machine: Machine) -> None:
    """The authority says why; the next try is later by itself, and the certificate of before stays."""
    file = machine.folder / "pyproject.toml"
    before = file.read_text()
    file.write_text(before.replace('"b.example.test"]', f'"{authority.BLOCKED}"]'))
    refused = machine.invoke("deploy", "--target", "shop", check=False)
    status = machine.invoke("status", "--target", "shop", check=False)
    file.write_text(before)
    machine.invoke("deploy", "--target", "shop")

    assert refused.returncode != 0
    assert "the release is served, but not by HTTPS: no certificate was issued; the next try is at" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert status.returncode == 1
    assert "no certificate was issued" in status.stderr
    assert "https 127.0.0.1" in machine.ask("a.example.test")


def test_wrong_files_are_refused_before_anything_is_done(machine: Machine) -> None:
    """What is served stays as it is."""
    shutil.copyfile(FILES / "other.key", machine.folder.parent / "good.key")
    done = machine.invoke("deploy", "--target", "blog", check=False)
    shutil.copyfile(FILES / "good.key", machine.folder.parent / "good.key")

    assert done.returncode != 0
    assert "good.key is not the key of" in done.stderr
    assert "migrating" not in done.stderr
    assert machine.ask("www.example.org").startswith("HTTP/1.1 200 OK")


def test_front_ends_with_the_last_service(machine: Machine) -> None:
    """One that is taken down leaves the other one served, and no certificate."""
    machine.invoke("down", "--target", "blog")
    end = time.monotonic() + LIMIT
    front = machine.state / "_front"
    while len(list(front.glob("serve/certificates/*.pem"))) > 1 and time.monotonic() < end:
        time.sleep(0.1)

    assert machine.ask("a.example.test").startswith("HTTP/1.1 200 OK")
    with pytest.raises(ssl.SSLError):
        machine.connect("www.example.org")
    machine.invoke("down", "--target", "shop")
    with pytest.raises(ConnectionRefusedError):
        machine.connect("a.example.test")
    assert not list(front.glob("serve/certificates/*.pem"))
    assert list(front.glob("data/acme/accounts/*/*/account.json"))
