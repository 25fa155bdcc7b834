"""Files for Docker Compose, held to the chart and to each other."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from estiba.errors import DriftError, ScaffoldError
from estiba.publish import chart
from estiba.scaffold import compose, new
from estiba.service import project as projects

if TYPE_CHECKING:
    from pathlib import Path

    from estiba.service.project import Project

SERVER, DEVELOPMENT = compose.NAMES


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a new service with its files for Compose."""
    project = projects.load(new.create(tmp_path_factory.mktemp("made") / "harbour"))
    compose.render(project)
    return project


@pytest.fixture(params=compose.NAMES)
def file(service: Project, request: pytest.FixtureRequest) -> dict[str, Any]:
    """Return each of the files, as they are read back."""
    return dict(yaml.safe_load((service.folder / request.param).read_text()))


def test_only_nginx_is_reached_from_elsewhere(service: Project) -> None:
    """Nginx is the only published port on a server; for developers all ports are on their own machine."""
    server, development = (compose.describe(service)[name]["services"] for name in compose.NAMES)

    assert {name: one["ports"] for name, one in server.items() if "ports" in one} == {
        "nginx": ["${HTTP_PORT:-80}:8080"]
    }
    ports = [port for one in development.values() for port in one.get("ports", [])]
    assert ports == ["127.0.0.1:4455:8080", "127.0.0.1:8025:8025"]


def test_settings_are_those_of_the_chart(file: dict[str, Any]) -> None:
    """Processes, port, readiness, time to end and static files are said once, in the chart's values."""
    values = yaml.safe_load((chart.own() / "values.yaml").read_text())
    web, found = values["processes"]["web"], file["services"]
    ready = values["processDefaults"]["probes"]["readiness"]

    assert set(values["processes"]) - {"web"} < set(found)
    assert found["webapp"]["healthcheck"]["test"][-1] == f"http://127.0.0.1:{web['port']}{ready}"
    assert f"proxy_pass http://webapp:{web['port']};" in file["configs"]["nginx"]["content"]
    assert found["worker"]["stop_grace_period"] == f"{values['processes']['worker']['gracePeriodSeconds']}s"
    assert found["static"]["command"] == [values["static"]["root"], "/staticfiles"]
    assert f"location {values['static']['url']} {{" in file["configs"]["nginx"]["content"]
    assert found["nginx"]["volumes"] == ["staticfiles:/srv/static:ro"]


def test_limits_and_proxies_are_those_of_the_chart(tmp_path: Path) -> None:
    """Larger uploads, longer requests and who ends TLS are said once, too."""
    folder = new.create(tmp_path / "harbour")
    pyproject = folder / "pyproject.toml"
    before = compose.describe(projects.load(folder))[SERVER]["configs"]["nginx"]["content"]
    table = "trustedProxies = ['203.0.113.7']\nstatic.nginx = {uploadLimit = '2g', requestLimit = 300}\n"
    pyproject.write_text(pyproject.read_text().replace("[tool.estiba.chart]\n", f"[tool.estiba.chart]\n{table}"))
    text = compose.describe(projects.load(folder))[SERVER]["configs"]["nginx"]["content"]

    fixed = ("max_body_size 100m;", "read_timeout 60s;", "send_timeout 60s;")
    own = ("max_body_size 2g;", "read_timeout 300s;", "send_timeout 300s;")
    assert [line in before for line in (*fixed, *own)] == [True] * 3 + [False] * 3
    assert [line in text for line in (*fixed, *own)] == [False] * 3 + [True] * 3
    assert "set_real_ip_from 10.0.0.0/8;" in before
    assert "  default 0;\n  203.0.113.7 1;\n}" in text
    assert text.count("set_real_ip_from") == 1
    assert "@" not in text.replace("@service", "").replace("@events", "").replace("@away", "").replace("@$$", "")


def test_service_is_the_image_that_was_built(file: dict[str, Any]) -> None:
    """Each container of the service runs its image, read-only and without privileges; nothing is built by Compose."""
    own = [one for one in file["services"].values() if one["image"].startswith("${IMAGE:-")]

    assert {one["image"] for one in own} == {"${IMAGE:-harbour:0.1.0}"}
    assert all(one["read_only"] and one["cap_drop"] == ["ALL"] for one in own)
    assert not any("build" in one for one in file["services"].values())


def test_migrations_come_before_the_processes(file: dict[str, Any]) -> None:
    """Every process waits for the migrations, and those for the servers; nginx waits for a service that is ready."""
    services = file["services"]

    for name in ("webapp", "worker", "scheduler"):
        assert services[name]["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}}
    assert set(services["migrate"]["depends_on"]) == {"postgres", "redis"}
    assert services["nginx"]["depends_on"]["webapp"] == {"condition": "service_healthy"}


def test_data_is_in_volumes_and_postgresql_is_tuned(file: dict[str, Any]) -> None:
    """Data outlives the containers; PostgreSQL's memory has a value that a variable changes."""
    postgres = file["services"]["postgres"]

    assert set(file["volumes"]) == {"postgres", "redis", "staticfiles"}
    assert postgres["volumes"] == [f"postgres:{postgres['environment']['PGDATA']}"]
    assert "shared_buffers=${POSTGRES_SHARED_BUFFERS:-512MB}" in postgres["command"]
    assert "effective_cache_size=${POSTGRES_EFFECTIVE_CACHE_SIZE:-1024MB}" in postgres["command"]


def test_no_secret_is_in_the_file_of_a_server(service: Project) -> None:
    """A server's secrets come from .env, and without them nothing starts."""
    text = (service.folder / SERVER).read_text()

    assert "${POSTGRES_PASSWORD:?set it in .env}" in text
    assert "SECRET_KEY" not in text
    assert ".env" in text


def test_developers_see_their_sources(service: Project) -> None:
    """In development the sources are those of the folder, and no file of secrets is needed."""
    services = compose.describe(service)[DEVELOPMENT]["services"]

    assert services["webapp"]["volumes"] == [".:/app:ro"]
    assert services["webapp"]["command"] == ["manage", "runserver", "0.0.0.0:8000"]
    assert services["webapp"]["environment"]["ENVIRONMENT"] == "development"
    assert ".env" not in (service.folder / DEVELOPMENT).read_text()


def test_process_that_is_not_there_has_no_container(service: Project, tmp_path: Path) -> None:
    """Processes are those of `[tool.estiba.chart]`, and a changed setting is drift."""
    folder = new.create(tmp_path / "harbour")
    pyproject = folder / "pyproject.toml"
    compose.render(projects.load(folder))
    compose.check(projects.load(folder))
    pyproject.write_text(pyproject.read_text() + "\n[tool.estiba.chart.processes]\nscheduler = false\n")

    with pytest.raises(DriftError, match=r"docker-compose.yml, docker-compose.dev.yml, docs/architecture.md\n"):
        compose.check(projects.load(folder))
    assert "scheduler" not in compose.describe(projects.load(folder))[SERVER]["services"]
    assert "scheduler" in compose.describe(service)[SERVER]["services"]


def test_timescaledb_comes_with_its_own_image(tmp_path: Path) -> None:
    """PostgreSQL in a container is the one that the checks have: with TimescaleDB, or of another version."""
    folder = new.create(tmp_path / "harbour")
    pyproject = folder / "pyproject.toml"
    packages = 'postgresql = { version = "16", packages = ["postgresql-16-timescaledb"] }'
    pyproject.write_text(pyproject.read_text().replace("[tool.estiba]\n", f"[tool.estiba]\n{packages}\n"))

    for file in compose.describe(projects.load(folder)).values():
        assert file["services"]["postgres"]["image"] == "${POSTGRES_IMAGE:-timescale/timescaledb:latest-pg16}"


@pytest.mark.parametrize(("python", "version"), [("3.11", "15"), ("3.13", "17"), ("3.14", "18")])
def test_postgresql_is_that_of_the_release(tmp_path: Path, python: str, version: str) -> None:
    """Data of a container can be read by the server of checks and of targets, which the Debian release decides."""
    folder = new.create(tmp_path / "harbour")
    pyproject = folder / "pyproject.toml"
    text = pyproject.read_text().replace('python = "3.13"', f'python = "{python}"')
    pyproject.write_text(text.replace('">=3.13"', f'">={python}"'))

    for file in compose.describe(projects.load(folder)).values():
        assert file["services"]["postgres"]["image"].endswith(f":-postgres:{version}}}")


def test_server_gets_secrets_of_its_own(tmp_path: Path) -> None:
    """`.env` has all that production requires, for nobody else to read; it is never written twice."""
    project = projects.load(new.create(tmp_path / "harbour"))
    (project.folder / ".git").mkdir()

    assert compose.write_env(project, "shop.example") == ()
    file = project.folder / compose.ENV
    found = dict(line.split("=", 1) for line in file.read_text().splitlines())
    assert list(found) == ["SECRET_KEY", "ALLOWED_HOSTS", "POSTGRES_PASSWORD"]
    assert found["ALLOWED_HOSTS"] == "shop.example"
    assert len(found["SECRET_KEY"]) >= 50
    assert found["SECRET_KEY"] != found["POSTGRES_PASSWORD"]
    assert file.stat().st_mode & 0o077 == 0
    with pytest.raises(ScaffoldError, match="exists already"):
        compose.write_env(project, "shop.example")


def test_secret_of_others_is_left_to_fill_in(tmp_path: Path) -> None:
    """A key that somebody else gives out is named and empty; what is made up would look like one."""
    project = projects.load(new.create(tmp_path / "harbour"))
    (project.folder / ".git").mkdir()
    (project.folder / ".gitignore").write_bytes(b"# caf\xe9\n.env\n")
    schema = {"properties": {"MAPS_KEY": {"writeOnly": True}}, "required": ["SECRET_KEY", "MAPS_KEY"]}
    (project.folder / "env.schema.json").write_text(json.dumps(schema))

    assert compose.write_env(project, "shop.example") == ("MAPS_KEY",)
    assert "\nMAPS_KEY=\n" in (project.folder / compose.ENV).read_text()


def test_secrets_are_not_written_where_nix_copies_them(tmp_path: Path) -> None:
    """Without git, or where git takes the file for a source, nothing is written."""
    project = projects.load(new.create(tmp_path / "harbour"))
    with pytest.raises(ScaffoldError, match="for git and Nix to copy"):
        compose.write_env(project, "shop.example")
    (project.folder / ".git").mkdir()
    (project.folder / ".gitignore").write_text("*.pyc\n")

    with pytest.raises(ScaffoldError, match="for git and Nix to copy"):
        compose.write_env(project, "shop.example")
    assert not (project.folder / compose.ENV).exists()
