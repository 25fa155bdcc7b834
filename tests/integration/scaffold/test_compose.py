"""Docker Compose itself reads both files, and runs them: on a server, then for developers."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from tests.services import composed, debian, distributions

from estiba import config
from estiba.scaffold import compose, new
from estiba.service import project as projects

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.services.composed import Composed

SERVER, DEVELOPMENT = (("-f", name) for name in compose.NAMES)
GATEWAY = f"http://127.0.0.1:{compose.GATEWAY}/"
DEVELOPER = {"host": f"app.localhost:{compose.GATEWAY}"}
VISITOR = {"host": "shop.example", "x_forwarded_proto": "https"}
MANAGE = ("webapp", "python", "manage.py")
LIMIT = 120.0
STARLARK = "starlark-pyo3==2026.1.3"
# Tilt itself is not to be had here: its language reads the file, and its functions note what they are called with.
READ_TILTFILE = """
import json, sys
import starlark, yaml
calls = []
module = starlark.Module()
module.add_callable("link", lambda url, name: [url, name])
module.add_callable("read_yaml", lambda path: yaml.safe_load(open(path)))
module.add_callable("local", lambda command, quiet: "harbour/locale/es/LC_MESSAGES/django.po\\n")
module.add_callable("docker_compose", lambda path: calls.append(["docker_compose", path, {}]))
for name in ("dc_resource", "local_resource"):
    module.add_callable(name, lambda first, *more, _name=name, **named: calls.append([_name, first, named]))
starlark.eval(module, starlark.parse("Tiltfile", open("Tiltfile").read()), starlark.Globals.standard())
print(json.dumps(calls))
"""


def read(folder: Path, name: str) -> subprocess.CompletedProcess[str]:
    """Let Docker Compose read a file, and print what it makes of it."""
    (program,) = debian.unpack("docker-compose", suite="trixie").glob("usr/libexec/docker/cli-plugins/docker-compose")
    argv = [str(program), "--file", name, "config", "--format", "json"]
    env = config.load().environment()
    return subprocess.run(argv, cwd=folder, env=env, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", compose.NAMES)
def test_compose_reads_it(tmp_path: Path, name: str) -> None:
    """It accepts every key, and what it understands is what was meant; on a server it asks for a password."""
    folder = new.create(tmp_path / "harbour")
    compose.render(projects.load(folder))
    (folder / ".env").write_text("SECRET_KEY=x\nPOSTGRES_PASSWORD=secret\n")

    done = read(folder, name)

    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert set(found["services"]) >= {"nginx", "webapp", "worker", "scheduler", "postgres", "redis"}
    assert "proxy_pass http://webapp:8000;" in found["configs"]["nginx"]["content"]
    (folder / ".env").unlink()
    assert (read(folder, name).returncode == 0) is (name == compose.NAMES[1])


def test_tilt_runs_what_compose_has(tmp_path: Path) -> None:
    """The Tiltfile is valid Starlark, and asks Tilt for containers, translations, the image, and the tests on save."""
    folder = new.create(tmp_path / "harbour")
    compose.render(projects.load(folder))
    env = config.load().environment(PYTHONPATH=f"{distributions.install(STARLARK)}:{':'.join(sys.path)}")
    done = subprocess.run(
        [sys.executable, "-c", READ_TILTFILE], cwd=folder, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    calls = json.loads(done.stdout)

    services = compose.describe(projects.load(folder))[compose.NAMES[1]]["services"]
    assert {first for name, first, _ in calls if name == "dc_resource"} == set(services)
    assert [first for name, first, _ in calls if name != "dc_resource"] == [
        "messages",
        "image",
        compose.NAMES[1],
        "tests",
    ]
    assert ["harbour/locale/es/LC_MESSAGES/django.po"] in [named.get("deps") for *_, named in calls]
    (links,) = (named["links"] for _, first, named in calls if first == "nginx")
    assert ["http://app.localhost:4455/", "app"] in links


@pytest.fixture(scope="module")
def service(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Composed]:
    """Return the template's service, which runs as on a server."""
    with composed.prepared(template, tmp_path_factory.mktemp("composed")) as made:
        made.run(*SERVER, "up", "-d", "--wait")
        yield made
        made.run(*DEVELOPMENT, "down", "--timeout", "1")


def test_server_runs(service: Composed) -> None:
    """Nginx gives the page of the service, and its static files from the volume; its port alone is published.

    The commands work as people know them.
    """
    page = service.ask("http://127.0.0.1/", **VISITOR)
    (style,) = re.findall(r'href="(/static/[^"]+\.css)"', page.text)
    static = service.ask(f"http://127.0.0.1{style}", **VISITOR)

    assert (page.status, "Nothing is written yet." in page.text) == (200, True)
    assert (static.status, static.headers["cache-control"]) == (200, "public, max-age=31536000, immutable")
    assert "x-release" not in static.headers
    assert "No migrations to apply" in service.run(*SERVER, "exec", "-T", *MANAGE, "migrate")
    assert "0 entries" in service.run(*SERVER, "exec", "-T", *MANAGE, "try_worker")
    assert "GET / answered 200" in service.run(*SERVER, "logs", "--tail=100", "webapp")
    published = [json.loads(line) for line in service.run(*SERVER, "ps", "--format", "json").splitlines()]
    ports = {one["Service"]: {port["PublishedPort"] for port in one["Publishers"] or ()} - {0} for one in published}
    assert {name for name, found in ports.items() if found} == {"nginx"}


def test_developers_see_data_changes_and_mail(service: Composed) -> None:
    """Data outlives all containers, a changed source is served without a command, and mail is there to be looked at."""
    write = "from harbour.models import Entry; Entry.objects.create(text='the pilot is aboard')"
    service.run(*SERVER, "exec", "-T", *MANAGE, "shell", "-c", write)
    service.run(*SERVER, "down", "--timeout", "5")
    service.run(*DEVELOPMENT, "up", "-d", "--wait")
    views = service.folder / "harbour" / "views.py"
    assert "the pilot is aboard" in service.ask(GATEWAY, **DEVELOPER).text

    views.write_text(views.read_text().replace('"name": name', '"name": "Changed"'))
    deadline = time.monotonic() + LIMIT
    while "<h1>Changed</h1>" not in service.ask(GATEWAY, **DEVELOPER).text and time.monotonic() < deadline:
        time.sleep(0.5)
    service.run(*DEVELOPMENT, "exec", "-T", *MANAGE, "sendtestemail", "ada@example.org")

    assert "<h1>Changed</h1>" in service.ask(GATEWAY, **DEVELOPER).text
    messages = json.loads(service.ask("http://127.0.0.1:8025/api/v1/messages").text)["messages"]
    assert [one["To"][0]["Address"] for one in messages] == ["ada@example.org"]
