"""Files for Docker Compose: `docker-compose.yml` for a server, `docker-compose.dev.yml` for developers and for Tilt.

A picture of what runs comes with them.

Processes, ports, probes and paths are those of Estiba's chart, as `[tool.estiba.chart]` completes them: they are said
once. Images that are not the service's have variables, as nothing is known of a team's registry.
"""

from __future__ import annotations

import json
import re
import secrets
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import yaml

from estiba import files
from estiba.deploy.host.servers import postgresql_tuning, proxy
from estiba.errors import ScaffoldError
from estiba.publish import chart
from estiba.scaffold import architecture, rendered
from estiba.scaffold.helm import values
from estiba.service import environment
from estiba.service.postgresql import VERSIONS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from estiba.service.environment import EnvironmentSchema
    from estiba.service.project import Project

RENDER: Final = "invoke compose.render"
NAMES: Final = ("docker-compose.yml", "docker-compose.dev.yml")
TILT: Final = "Tiltfile"
"""Tilt's file, which reads the one for developers."""

GATEWAY: Final = 4455
"""TCP port of everything that developers open in a browser."""

MAIL: Final = 8025
"""TCP port of the page that shows mail in development."""

WEB: Final = "webapp"
"""Name of the web process here, by which nginx finds it."""

_NOTE: Final = f"Rendered by `{RENDER}` from [tool.estiba] in pyproject.toml; change it there."
_TILT: Final = Path(__file__).with_name(TILT)
_NGINX: Final = Path(__file__).with_name("nginx.conf")
_MEMORY: Final = 2 * 2**30
"""Memory in bytes that PostgreSQL's settings are computed from, unless variables say otherwise."""

ENV: Final = ".env"
"""File of a server's variables, which Compose reads."""

_PRIVATE: Final = 0o600
_BYTES: Final = 48
_MADE: Final = ("SECRET_KEY", "DJANGO_SECRET_KEY")
"""Secrets of the service's own; those of others, such as a key of an API, are not for anybody to make up."""

_GIVEN: Final = ("DATABASE_URL", "REDIS_URL")
_DATA: Final = "/var/lib/postgresql/data"
"""PostgreSQL's data, which its images of 18 and later have elsewhere unless PGDATA says so."""

_PASSWORD: Final = "${POSTGRES_PASSWORD:?set it in .env}"  # noqa: S105 - Compose's words for a variable
_DEVELOPMENT: Final = {
    "ENVIRONMENT": "development",
    "DEBUG": "true",
    "ALLOWED_HOSTS": "localhost,127.0.0.1,app.localhost,admin.localhost",
    "EMAIL_HOST": "mail",
    "EMAIL_PORT": "1025",
}
_NEWEST: Final = "18"
"""Major version of PostgreSQL for releases that are not stable."""

_TIMESCALE: Final = "timescale/timescaledb:latest-pg"
_TUNED: Final = ("shared_buffers", "effective_cache_size")
_INTERVAL: Final = {"interval": "5s", "timeout": "5s", "retries": 12}
_ASK: Final = "import sys, urllib.request; urllib.request.urlopen(sys.argv[1], timeout=5)"
_HEALTHY: Final = {"condition": "service_healthy"}
_ENDED: Final = {"condition": "service_completed_successfully"}
_RESTART: Final = {"restart": "unless-stopped"}
_COPY: Final = "import shutil, sys; shutil.copytree(sys.argv[1], sys.argv[2], dirs_exist_ok=True)"
_PYTHON: Final = "/opt/venv/bin/python"


def render(project: Project) -> tuple[str, ...]:
    """Write the files, and return the names of those that changed."""
    return rendered.write(project.folder, _texts(project))


def check(project: Project) -> None:
    """Compare the files with what they should be.

    Raises:
        DriftError: They differ.
    """
    rendered.check(project.folder, _texts(project), RENDER)


def write_env(project: Project, hosts: str) -> tuple[str, ...]:
    """Write `.env` with what production needs, secrets of its own among it; return the names that are left to fill in.

    Args:
        project: The service.
        hosts: Host names that it answers to, between commas.

    Raises:
        ScaffoldError: There is one, or git and Nix would take it for a source.
    """
    file = project.folder / ENV
    ignored = project.folder / ".gitignore"
    if file.exists():
        msg = f"{file} exists already"
        raise ScaffoldError(msg, hint="change it with an editor")
    if not (files.find_repository(project.folder) and ignored.exists() and ENV in files.read(ignored).splitlines()):
        msg = f"{file} would be a source of the service, for git and Nix to copy"
        raise ScaffoldError(msg, hint=f"git init && echo {ENV} >>.gitignore")
    found = _fill(environment.load(project.folder), hosts)
    files.write(file, "".join(f"{name}={value}\n" for name, value in found.items()), mode=_PRIVATE)
    return tuple(name for name, value in found.items() if not value)


def _fill(schema: EnvironmentSchema | None, hosts: str) -> dict[str, str]:
    """Return the variables of a server by their names; empty where nobody but people can know."""
    required = schema.required if schema else ("SECRET_KEY", "ALLOWED_HOSTS")
    names = [name for name in required if name not in _GIVEN]
    found = {name: secrets.token_urlsafe(_BYTES) if name in _MADE else "" for name in names}
    if "ALLOWED_HOSTS" in found:
        found["ALLOWED_HOSTS"] = hosts
    return {**found, "POSTGRES_PASSWORD": secrets.token_urlsafe(_BYTES)}


def describe(project: Project) -> dict[str, dict[str, Any]]:
    """Return the content of both files, by their names."""
    given = _load_values(project)
    server = {
        "name": project.name,
        "services": {"nginx": _nginx(given), **_containers(project, given), **_servers(project, _PASSWORD)},
        "configs": {"nginx": {"content": configure_nginx(given)}},
        "volumes": {"postgres": {}, "redis": {}, "staticfiles": {}},
    }
    return dict(zip(NAMES, (server, _change_for_developers(server)), strict=True))


def _texts(project: Project) -> dict[str, str]:
    described = describe(project)
    texts = {name: rendered.dump(data, note=_NOTE) for name, data in described.items()}
    schema = environment.load(project.folder)
    switches = schema.extras.items() if schema else ()
    picture = architecture.render(
        described[NAMES[0]],
        note=_NOTE,
        server="an ASGI server" if project.is_asgi else "Gunicorn",
        outside={extra: name for name, extra in switches if extra in project.extras},
    )
    return {**texts, TILT: _TILT.read_text(encoding="utf-8"), architecture.FILE: picture}


def _load_values(project: Project) -> dict[str, Any]:
    """Return the values of Estiba's chart with those of the service that all environments share."""
    own = yaml.safe_load((chart.own() / "values.yaml").read_text(encoding="utf-8"))
    return values.merge(own, values.shared(project))


def _nginx(given: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "image": "${NGINX_IMAGE:-nginx:1.28}",
        "ports": ["${HTTP_PORT:-80}:8080"],
        "volumes": [f"staticfiles:/srv{given['static']['url'].rstrip('/')}:ro"],
        "configs": [{"source": "nginx", "target": "/etc/nginx/conf.d/default.conf"}],
        "depends_on": {WEB: _HEALTHY, "static": _ENDED},
        **_RESTART,
    }


def configure_nginx(given: Mapping[str, Any]) -> str:
    """Return nginx's configuration; Compose takes a dollar for one of its own unless there are two."""
    limits, networks = given["static"]["nginx"], given["trustedProxies"]
    parts = {
        "clients": "".join(f"  {line};\n" for line in proxy.find_clients(networks)).rstrip(),
        "request": str(limits["requestLimit"]),
        "static": given["static"]["url"],
        "trusted": textwrap.indent(proxy.list_networks(networks), "  ").rstrip(),
        "upload": limits["uploadLimit"],
        "web": f"{WEB}:{given['processes'][given['webProcess']]['port']}",
    }
    text = _NGINX.read_text(encoding="utf-8")
    return re.sub("@([a-z]+)@", lambda found: parts[found[1]], text).replace("$", "$$")


def _containers(project: Project, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the containers of the service's image: processes, migrations, and the copy of the static files."""
    # Nothing of the image can be written, and nobody has privileges.
    image = {
        "image": f"${{IMAGE:-{project.name}:{project.version}}}",
        "env_file": [ENV],
        "environment": {
            "DATABASE_URL": f"postgresql://app:{_PASSWORD}@postgres/app",
            "REDIS_URL": "redis://redis:6379/0",
        },
        "read_only": True,
        "tmpfs": ["/tmp"],  # noqa: S108 - in the container
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
    }
    table = {name: values.merge(given["processDefaults"], one) for name, one in given["processes"].items() if one}
    named = {WEB if name == given["webProcess"] else name: one for name, one in table.items()}
    return {
        **{name: image | _describe_process(one) for name, one in named.items()},
        "migrate": image | {"command": ["migrate"], "depends_on": {"postgres": _HEALTHY, "redis": _HEALTHY}},
        "static": image
        | {
            "entrypoint": [_PYTHON, "-c", _COPY],
            "command": [given["static"]["root"], "/staticfiles"],
            "user": "0",
            "volumes": ["staticfiles:/staticfiles"],
        },
    }


def _describe_process(process: Mapping[str, Any]) -> dict[str, Any]:
    found = {
        "command": list(process["command"]),
        "depends_on": {"migrate": _ENDED},
        "stop_grace_period": f"{process['gracePeriodSeconds']}s",
        **_RESTART,
    }
    if process["port"]:
        address = f"http://127.0.0.1:{process['port']}{process['probes']['readiness']}"
        found["healthcheck"] = {"test": ["CMD", _PYTHON, "-c", _ASK, address], **_INTERVAL}
    return found


def _servers(project: Project, password: str) -> dict[str, Any]:
    postgresql = project.postgresql
    version = postgresql.version or VERSIONS.get(project.suite, _NEWEST)
    has_timescale = any("timescaledb" in name for name in postgresql.packages)
    image = f"{_TIMESCALE if has_timescale else 'postgres:'}{version}"
    tuned = postgresql_tuning.plan(_MEMORY)
    options = [word for name in _TUNED for word in ("-c", f"{name}=${{POSTGRES_{name.upper()}:-{tuned[name]}}}")]
    return {
        "postgres": {
            "image": f"${{POSTGRES_IMAGE:-{image}}}",
            "command": ["postgres", *options],
            "environment": {
                "POSTGRES_DB": "app",
                "POSTGRES_USER": "app",
                "POSTGRES_PASSWORD": password,
                "PGDATA": _DATA,
            },
            "volumes": [f"postgres:{_DATA}"],
            "healthcheck": {"test": ["CMD", "pg_isready", "--username=app"], **_INTERVAL},
            **_RESTART,
        },
        # A queue must not forget its jobs; keys of the caches have a time after which they go.
        "redis": {
            "image": "${REDIS_IMAGE:-redis:8}",
            "command": ["redis-server", "--appendonly", "yes", "--maxmemory-policy", "noeviction"],
            "volumes": ["redis:/data"],
            "healthcheck": {"test": ["CMD", "redis-cli", "ping"], **_INTERVAL},
            **_RESTART,
        },
    }


def _change_for_developers(server: Mapping[str, Any]) -> dict[str, Any]:
    """Return the same with sources from the folder, a web server that sees changes, one port, and mail to look at."""
    data: dict[str, Any] = json.loads(json.dumps(server).replace(_PASSWORD, "app"))
    services = data["services"]
    services["nginx"]["ports"] = [f"127.0.0.1:{GATEWAY}:8080"]
    for one in services.values():
        if one.pop("env_file", None):
            one["environment"] |= _DEVELOPMENT
            one["volumes"] = [".:/app:ro", *one.get("volumes", [])]
    # What the image has collected is below its /app, too.
    services["static"]["volumes"] = ["staticfiles:/staticfiles"]
    address = services[WEB]["healthcheck"]["test"][-1]
    services[WEB]["command"] = ["manage", "runserver", f"0.0.0.0:{urlsplit(address).port}"]
    services["mail"] = {"image": "${MAIL_IMAGE:-axllent/mailpit:v1.33}", "ports": [f"127.0.0.1:{MAIL}:8025"]}
    return data
