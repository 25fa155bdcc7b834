from __future__ import annotations

import os
import shutil
import socket
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.recording import RecordingRunner
from tests.unit.deploy.host.front.test_certificate import FILES
from tests.unit.deploy.host.state.test_revisions import make

from estiba.deploy.host.front import tls
from estiba.deploy.host.front.front import Front
from estiba.deploy.host.front.programs import FrontPrograms
from estiba.deploy.host.front.site import Site
from estiba.deploy.host.front.tls import Acme, Tls
from estiba.deploy.host.servers import ports
from estiba.deploy.host.state.folder import StateFolder
from estiba.deploy.host.supervise.runit import Runit
from estiba.errors import ConfigError, DeployError, TargetError

if TYPE_CHECKING:
    from estiba.deploy.host.closure import HostClosure


@pytest.fixture
def front(tmp_path: Path) -> Front:
    """Return a front with nothing in it."""
    return Front.at(tmp_path / "all", RecordingRunner())


def site(folder: Path, name: str, http: int, https: int) -> Site:
    """Return a site on the loopback address."""
    (folder / name).mkdir(exist_ok=True)
    tls = Tls(hosts=(f"{name}.example.org",), address="127.0.0.1", http_port=http, https_port=https)
    return Site(service=name, folder=folder / name, port=8000, request_limit=60, addresses=("127.0.0.1",), tls=tls)


@pytest.fixture
def release(tmp_path: Path) -> HostClosure:
    """Return a release with a front, and with no ACME client."""
    return replace(make(tmp_path / "release"), has_front=True)


def free() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def registered(front: Front, tmp_path: Path) -> Site:
    """Write down a site as a deployment does."""
    made = site(tmp_path, "shop", free(), free())
    front.folder.prepare({})
    (front.folder.path / "sites").mkdir()
    programs = FrontPrograms(folder=front.folder, closure=make(tmp_path / "one"), env={}, memory={})
    front.folder.write(front.folder.path / f"sites/{made.key}.json", made.describe(programs, "1.26.3"))
    return made


def test_hosts_have_one_service(front: Front, registered: Site, release: HostClosure, tmp_path: Path) -> None:
    """Another one is told whose it is; the service itself may come again."""
    other = site(tmp_path, "blog", registered.tls.http_port, registered.tls.https_port)
    stealing = replace(other, tls=replace(other.tls, hosts=("blog.example.org", "shop.example.org")))

    front.check(other, release)
    front.check(registered, release)
    with pytest.raises(TargetError) as caught:
        front.check(stealing, release)
    assert "shop.example.org is a host of shop, whose state folder is" in str(caught.value)


def test_ports_mean_the_same_for_all(front: Front, registered: Site, release: HostClosure, tmp_path: Path) -> None:
    """One port speaks TLS or it does not."""
    tls = registered.tls
    with pytest.raises(TargetError, match="the other way round for shop"):
        front.check(site(tmp_path, "blog", tls.https_port, tls.http_port), release)


def test_address_of_one_is_not_every_address_of_another(
    front: Front, registered: Site, release: HostClosure, tmp_path: Path
) -> None:
    """The kernel would say that the front itself has taken the port."""
    other = site(tmp_path, "blog", registered.tls.http_port, registered.tls.https_port)

    front.check(replace(other, addresses=("127.0.0.2",)), release)
    with pytest.raises(TargetError, match="as for shop") as caught:
        front.check(replace(other, addresses=("0.0.0.0",)), release)  # noqa: S104 - not bound
    assert caught.value.hint == "give both services the same address, or none"


def test_address_of_a_service_can_be_changed(
    front: Front, release: HostClosure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From all of the machine to one: what holds the port is the front."""
    made = site(tmp_path, "shop", free(), free())
    with socket.create_server(("0.0.0.0", made.tls.https_port)):  # noqa: S104 - nothing is accepted
        with pytest.raises(TargetError, match="is taken"):
            front.check(made, release)
        monkeypatch.setattr(Front, "_held", lambda _: {("0.0.0.0", made.tls.https_port)})  # noqa: S104 - as above
        front.check(made, release)


def test_service_that_is_gone_holds_no_host(
    front: Front, registered: Site, release: HostClosure, tmp_path: Path
) -> None:
    """Somebody has removed its state folder."""
    other = site(tmp_path, "blog", registered.tls.http_port, registered.tls.https_port)
    registered.folder.rmdir()

    front.check(replace(other, tls=replace(other.tls, hosts=registered.tls.hosts)), release)


def test_taken_port_is_named(front: Front, release: HostClosure, tmp_path: Path) -> None:
    """With the setting that chooses another one."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(TargetError) as caught:
            front.check(site(tmp_path, "shop", free(), taken.getsockname()[1]), release)

    assert caught.value.hint
    assert "set another https-port" in caught.value.hint


def test_invalid_certificate_is_refused_before_anything_else(
    front: Front, release: HostClosure, tmp_path: Path
) -> None:
    """Nothing was written."""
    made = site(tmp_path, "shop", free(), free())
    tls = replace(made.tls, certificate=FILES / "expired.pem", key=FILES / "none.key")
    with pytest.raises(ConfigError):
        front.check(replace(made, tls=tls), release)

    assert not front.folder.path.exists()


def test_release_that_lacks_a_program_is_refused_before_anything_else(
    front: Front, release: HostClosure, tmp_path: Path
) -> None:
    """One of an earlier version has no front, and one whose lock was made before the target asked has no client."""
    made = site(tmp_path, "shop", free(), free())
    acme = Acme(email="ops@example.org", ca=tmp_path / "none.pem")
    asking = replace(made, tls=replace(made.tls, acme=acme))
    (tmp_path / "usr/bin").mkdir(parents=True)
    (tmp_path / "usr/bin/lego").touch()
    whole = replace(release, servers=replace(release.servers, tree=str(tmp_path)))

    with pytest.raises(TargetError, match="built by an earlier Estiba"):
        front.check(made, replace(release, has_front=False))
    with pytest.raises(TargetError, match="built without an ACME client") as caught:
        front.check(asking, release)
    with pytest.raises(ConfigError, match=r"none\.pem cannot be read"):
        front.check(asking, whole)
    assert caught.value.hint == "invoke lock, then deploy again"


def test_ports_of_root_say_how_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """One setting of the kernel, which root makes once."""
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr(ports, "_first_unprivileged", lambda: 1024)
    with pytest.raises(TargetError) as caught:
        ports.check("127.0.0.1", 80, setting="http-port")

    assert caught.value.hint
    assert "sysctl -w net.ipv4.ip_unprivileged_port_start=80" in caught.value.hint


def test_command_that_was_interrupted_can_be_run_again(
    front: Front, registered: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What did not end is still the front's then, and no key is left in the end."""

    def fail(*_: object) -> None:
        msg = "nginx did not end"
        raise DeployError(msg)

    stopped: list[float] = []
    monkeypatch.setattr(Runit, "stop", fail)
    with pytest.raises(DeployError):
        front.withdraw(registered.folder)
    (front.folder.path / "serve/certificates/.x.pem.new").write_text("key")
    monkeypatch.setattr(Runit, "stop", lambda _, limit: stopped.append(limit))
    front.withdraw(registered.folder)

    assert len(stopped) == 1
    assert front._sites() == {}
    assert list(front.folder.path.glob("serve/certificates/*")) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has something to lose")
def test_folder_of_another_user_is_refused_before_links_in_it_are_followed(front: Front, tmp_path: Path) -> None:
    """Whoever owns it could have root change any folder."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o755)
    front.folder.path.mkdir(parents=True)
    (front.folder.path / "sites").symlink_to(elsewhere)
    os.chown(front.folder.path, 12345, 12345)

    with pytest.raises(TargetError, match="root writes only in folders of its own"), front._locked():
        pass
    assert elsewhere.stat().st_mode & 0o777 == 0o755


def test_settings_of_nginx_outlive_their_release(front: Front, tmp_path: Path) -> None:
    """It may be collected while a service of another release is served."""
    closure = make(tmp_path / "one")
    closure.front_settings.write_text("settings")
    front.folder.prepare({})
    serve = front.folder.path / "serve"
    (serve / "nginx.conf").symlink_to(closure.front_settings)
    front._configure(closure, "addresses")
    shutil.rmtree(closure.path)

    assert [(serve / name).read_text() for name in ("nginx.conf", "listen.conf")] == ["settings", "addresses"]


def test_front_is_asked_by_a_name_that_no_site_can_have(front: Front, registered: Site) -> None:
    """Otherwise that site would answer in its place."""
    asked = []
    with socket.create_server(("127.0.0.1", registered.tls.http_port)) as server:
        thread = threading.Thread(target=front._is_answered)
        thread.start()
        with server.accept()[0] as connection:
            asked += [line for line in connection.recv(4096).decode().splitlines() if line.startswith("Host: ")]
        thread.join()

    (host,) = asked
    assert tls.check({"tls": "acme", "acme": {"email": "a@b"}, "hosts": [host.removeprefix("Host: ")]}) != []


def test_folder_is_beside_those_of_services() -> None:
    """No service can have that name."""
    assert Front.at(Path("/var/lib/estiba"), RecordingRunner()).folder == StateFolder.at(Path("/var/lib/estiba/_front"))
