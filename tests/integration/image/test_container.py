"""The sample service in a container, under the restrictions of a careful operator."""

from __future__ import annotations

import json
import os
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import docker
import pytest
import testinfra
from tests.services import debian, ports
from tests.services import shop as shop_service
from tests.services.engine import PACKAGE

import services
from estiba.build import flake
from estiba.image import layout
from estiba.publish.engine import load
from root import Root

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docker import DockerClient
    from docker.models.containers import Container
    from testinfra.host import Host

    from estiba.build.oci_image import Built

HARDENED: dict[str, Any] = {
    "network_mode": "host",
    "read_only": True,
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges"],
    "tmpfs": {"/tmp": "size=16m"},
}
FEED = "<feed><product slug='rope'><name>Rope</name><price>3.50</price></product></feed>"


@pytest.fixture(scope="module")
def engine(docker_engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerClient]:
    """Connect to the tests' own engine; testinfra finds it and its client through the environment."""
    programs = tmp_path_factory.mktemp("programs")
    (programs / "docker").symlink_to(debian.unpack(PACKAGE, essential=True) / "usr/bin/docker")
    client = docker.DockerClient(base_url=docker_engine)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", docker_engine)
        patch.setenv("PATH", str(programs), prepend=os.pathsep)
        yield client
    client.close()


@pytest.fixture(scope="module")
def image(engine: DockerClient, shop_image: Built) -> str:
    """Load the sample service's image."""
    target = load.Engine(engine)
    return load.load(load.plan(layout.read(shop_image.path), target), target).name


@pytest.fixture(scope="module")
def environment(shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Run PostgreSQL and Redis from the service's own lock, and return what a container needs to know."""
    folder = tmp_path_factory.mktemp("servers")
    tree = flake.realise(shop, "check-root", shop_service.settings())
    root = Root(tree=tree, top=folder / "root", env={"LANG": "C.UTF-8", "PATH": "/usr/bin:/bin"})
    (programs,) = tree.glob("usr/lib/postgresql/*/bin")
    database, cache = ports.find_free(), ports.find_free()
    postgresql = services.postgresql(root, Path("/", programs.relative_to(tree)), database)
    with services.running(root, [services.redis(cache), postgresql], folder):
        addresses = services.environment(database, cache)
        yield {
            "DATABASE_URL": addresses["DATABASE_URL"],
            "REDIS_URL": addresses["REDIS_URL"],
            "SHOP_SECRET_KEY": "kq3v9XwLz0TnB5yRj8HsEf2UdC7pMa4gNb6tWxQy1ZoJiVhKrS",
            "PORT": str(ports.find_free()),
            "WEB_CONCURRENCY": "2",
        }


def run(engine: DockerClient, image: str, environment: dict[str, str], *command: str) -> tuple[int, str]:
    """Run a command in a container of its own; return its exit code and what it printed."""
    container = engine.containers.run(image, list(command), environment=environment, detach=True, **HARDENED)
    try:
        code = container.wait(timeout=120)["StatusCode"]
        return int(code), container.logs().decode()
    finally:
        container.remove(force=True)


def get(environment: dict[str, str], path: str) -> tuple[int, bytes]:
    """Ask the running service."""
    with urllib.request.urlopen(f"http://127.0.0.1:{environment['PORT']}{path}", timeout=10) as answer:
        return answer.status, answer.read()


@pytest.fixture(scope="module")
def migrated(engine: DockerClient, image: str, environment: dict[str, str]) -> dict[str, str]:
    """Migrate the database, from two containers at once."""
    both = [
        engine.containers.run(image, ["migrate"], environment=environment, detach=True, **HARDENED) for _ in range(2)
    ]
    outcomes = [(container.wait(timeout=120)["StatusCode"], container.logs().decode()) for container in both]
    for container in both:
        container.remove()
    assert [code for code, _ in outcomes] == [0, 0], outcomes
    assert sum("Applying catalog.0001_initial... OK" in log for _, log in outcomes) == 1
    return environment


@pytest.fixture(scope="module")
def web(engine: DockerClient, image: str, migrated: dict[str, str]) -> Iterator[Container]:
    """Run the service; a shell, which the image has not, is mounted for testinfra to look around with."""
    busybox = debian.unpack("busybox-static") / "bin/busybox"
    shell = {str(busybox): {"bind": "/usr/bin/sh", "mode": "ro"}}
    container = engine.containers.run(image, environment=migrated, detach=True, volumes=shell, **HARDENED)
    try:
        wait_for(migrated, container)
        yield container
    finally:
        container.remove(force=True)


def wait_for(environment: dict[str, str], container: Container) -> None:
    """Wait until the service answers."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            get(environment, "/health/")
        except (OSError, urllib.error.URLError):
            time.sleep(0.1)
        else:
            return
    raise AssertionError(container.logs().decode())


@pytest.fixture
def host(web: Container) -> Host:
    """Look into the running container."""
    return testinfra.get_host(f"docker://{web.name}")


def test_service_answers(web: Container, migrated: dict[str, str]) -> None:
    """The database is reached, pages are rendered, and static files are served under their hashed names."""
    assert web.status
    assert json.loads(get(migrated, "/health/")[1]) == {"status": "ok"}
    status, page = get(migrated, "/")
    assert status == 200
    address = page.decode().partition('href="')[2].partition('"')[0]
    assert address.endswith(".css")
    assert get(migrated, address)[0] == 200


def test_first_process_is_gunicorn(host: Host) -> None:
    """The entry point has become the server, which signals reach without a shell between."""
    words = host.file("/proc/1/cmdline").content_string.split("\0")

    assert words[:2] == ["/opt/venv/bin/python", "-P"] or "gunicorn" in words[0]
    assert any("gunicorn" in word for word in words)
    assert "config.wsgi:application" in words


def test_user_is_a_number_without_rights(host: Host) -> None:
    """All runs as the image's own user, without any capability."""
    status = dict(
        line.split(":\t", 1) for line in host.file("/proc/1/status").content_string.splitlines() if ":\t" in line
    )

    assert host.check_output("id -u") == "10001"
    assert status["Uid"].split() == ["10001"] * 4
    assert status["CapEff"] == status["CapBnd"] == "0000000000000000"
    assert status["NoNewPrivs"] == "1"


def test_only_temporary_files_can_be_written(host: Host) -> None:
    """The root is read-only; the service has its temporary folder."""
    assert host.run("touch /app/x").rc != 0
    assert host.run("touch /x").rc != 0
    assert host.run("touch /tmp/x").rc == 0


@pytest.mark.parametrize(
    "path", ["/app/manage.py", "/opt/venv/bin/gunicorn", "/opt/estiba/entrypoint.py", "/etc/passwd"]
)
def test_files_belong_to_root(host: Host, path: str) -> None:
    """What runs cannot change what runs."""
    found = host.file(path)

    assert (found.uid, found.gid) == (0, 0)
    assert found.mode & 0o022 == 0


def test_environment_of_the_container(host: Host, migrated: dict[str, str]) -> None:
    """The image sets what Python and Django need, the operator the rest."""
    words = host.check_output("env").splitlines()

    assert {
        "PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin",
        "DJANGO_SETTINGS_MODULE=config.settings",
        "LANG=C.UTF-8",
        "PYTHONUNBUFFERED=1",
        f"DATABASE_URL={migrated['DATABASE_URL']}",
    } <= set(words)
    assert host.check_output("/opt/venv/bin/python -c 'import sys; print(sys.prefix)'") == "/opt/venv"


def test_time_zones_and_certificates(host: Host) -> None:
    """Debian's time zones and certificate authorities are where libraries look for them."""
    print_count = "print(len(ssl.create_default_context().get_ca_certs()))"
    code = f"import ssl, zoneinfo; {print_count}; print(zoneinfo.ZoneInfo('Europe/Madrid'))"
    count, zone = host.check_output(f'/opt/venv/bin/python -c "{code}"').split()

    assert int(count) > 50
    assert zone == "Europe/Madrid"


def test_worker_does_a_job(engine: DockerClient, image: str, migrated: dict[str, str], web: Container) -> None:
    """A job goes through Redis to a worker in another container, and its result into the database."""
    assert web.status
    order = f"from catalog.jobs import import_feed; import_feed.delay({FEED!r}.encode())"
    assert run(engine, image, migrated, "manage", "shell", "--no-imports", "-c", order)[0] == 0

    code, log = run(engine, image, migrated, "worker", "--burst")

    assert code == 0, log
    assert "Job OK" in log
    assert b"Rope" in get(migrated, "/")[1]
    status, label = get(migrated, "/labels/rope.png")
    assert (status, label[:4]) == (200, b"\x89PNG")


def test_unknown_command_is_refused(engine: DockerClient, image: str, environment: dict[str, str]) -> None:
    """There is nothing to fall into; the message says what there is."""
    code, log = run(engine, image, environment, "sh", "-c", "id")

    assert code == 64
    assert "web" in log


def test_stops_at_once(engine: DockerClient, image: str, migrated: dict[str, str]) -> None:
    """SIGTERM ends the server itself, before the engine would, with exit code 0."""
    own = {**migrated, "PORT": str(ports.find_free())}
    container = engine.containers.run(image, environment=own, detach=True, **HARDENED)
    try:
        wait_for(own, container)
        container.stop(timeout=60)
        assert container.wait()["StatusCode"] == 0
    finally:
        container.remove(force=True)
