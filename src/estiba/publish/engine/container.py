"""Container of a loaded image, to try it on this machine."""

from __future__ import annotations

import http.client
import socket
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import docker
import docker.errors
import requests

from estiba.endpoint import Endpoint
from estiba.errors import EngineError
from estiba.publish.connection import describe_failure

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from docker import DockerClient
    from docker.models.containers import Container

_ADDRESS: Final = "127.0.0.1"
_PORT: Final = 8000
_LOG_LINES: Final = 20
_PAUSE: Final = 0.1
_FOUND: Final = 400
"""Lowest HTTP status of an error (RFC 9110, 15.5)."""


@contextmanager
def run(
    name: str, *, environment: Mapping[str, str], keep: bool = False, client: DockerClient | None = None
) -> Iterator[str]:
    """Run the process `web` of an image on a free port of the loopback address and yield its URL.

    The container has no capabilities and a read-only root file system, as in production.

    Args:
        name: Image as `NAME:TAG` in the engine.
        environment: Environment variables of the container.
        keep: Leave the container running.
        client: Client of the engine; by default the one that `DOCKER_HOST` selects.

    Raises:
        EngineError: No engine answers, or the container cannot start; an error in the block gets the container's log.
    """
    container: Container | None = None
    engine = client
    try:
        engine = engine or docker.from_env()
        container, port = _start(engine, name, environment)
        yield f"http://{_ADDRESS}:{port}"
    except (docker.errors.DockerException, requests.RequestException) as error:
        message = f"the Docker engine cannot run {name}: {describe_failure(error)}"
        raise EngineError(message, hint=f"try it by hand: docker run --rm {name}") from error
    except EngineError as error:
        log = container.logs(tail=_LOG_LINES).decode(errors="replace").rstrip() if container else ""
        message = f"{error.message}; its log ends with:\n{log}"
        raise EngineError(message, hint=error.hint) from error
    finally:
        if container and not keep:
            container.remove(force=True)
        if engine and not client:
            engine.close()


def wait(url: str, *, seconds: float) -> int:
    """Request a URL on this machine until its status is below 400, and return the status.

    Args:
        url: URL of the scheme http.
        seconds: Timeout in seconds.

    Raises:
        EngineError: The timeout has passed.
    """
    host, _, path = url.removeprefix("http://").partition("/")
    address, _, port = host.partition(":")
    endpoint = Endpoint(host=host, address=address, port=int(port))
    deadline = time.monotonic() + seconds
    last = "no answer"
    while time.monotonic() < deadline:
        try:
            status = endpoint.ask(f"/{path}").status
        except (OSError, http.client.HTTPException) as error:
            last = describe_failure(error)
        else:
            if status < _FOUND:
                return status
            last = f"status {status}"
        time.sleep(_PAUSE)
    message = f"{url} did not answer in {seconds:g} seconds: {last}"
    raise EngineError(message)


def _start(engine: DockerClient, name: str, environment: Mapping[str, str]) -> tuple[Container, int]:
    """Start the container and return it with its port; without a bridge network it uses the network of the host."""
    bridged = any(network.name == "bridge" for network in engine.networks.list())
    port = _find_port()
    network = {"ports": {f"{_PORT}/tcp": (_ADDRESS, port)}} if bridged else {"network_mode": "host"}
    container = engine.containers.run(
        name,
        ["web"],
        detach=True,
        environment=dict(environment) if bridged else {**environment, "PORT": str(port)},
        cap_drop=["ALL"],
        read_only=True,
        security_opt=["no-new-privileges"],
        **network,
    )
    return container, port


def _find_port() -> int:
    # Another process may take the port before the container does; the container then fails to start.
    with socket.socket() as probe:
        probe.bind((_ADDRESS, 0))
        return int(probe.getsockname()[1])
