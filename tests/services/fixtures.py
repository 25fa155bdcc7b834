"""Fixtures of the services; `tests/integration/conftest.py` offers them to all integration tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.services import debian, engine, registry, rootfs, sites
from tests.services import harbour as harbour_service
from tests.services import shop as shop_service

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.services.registry import RunningRegistry
    from tests.services.rootfs import RootFs
    from tests.services.sites import Site

    from estiba.build.oci_image import Built


@pytest.fixture(scope="session")
def registry_root() -> Path:
    """Unpack Debian's registry."""
    return debian.unpack("docker-registry")


@pytest.fixture
def running_registry(registry_root: Path, tmp_path: Path) -> Iterator[RunningRegistry]:
    """Run an empty registry that lets everybody in."""
    with registry.run(registry_root, tmp_path / "registry") as running:
        yield running


@pytest.fixture(scope="session")
def docker_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run an empty Docker engine and return its address."""
    with engine.run(tmp_path_factory.mktemp("docker")) as address:
        yield address


@pytest.fixture(scope="session")
def harbour(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a service with database, cache and queue that loads in little time; who changes it copies it first."""
    return harbour_service.fetched(tmp_path_factory.mktemp("lean") / "harbour")


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a service made from the template, locked and fetched; who changes it copies it first."""
    return harbour_service.make(tmp_path_factory.mktemp("made") / "harbour")


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the sample service, locked and fetched; who changes it copies it first."""
    return shop_service.make(tmp_path_factory.mktemp("made") / "shop")


@pytest.fixture(scope="session")
def shop_image(shop: Path) -> Built:
    """Build the sample service for both platforms."""
    return shop_service.built(shop)


@pytest.fixture(scope="session")
def shop_root(shop_image: Built, tmp_path_factory: pytest.TempPathFactory) -> RootFs:
    """Unpack the sample service's image for x86_64."""
    return rootfs.unpack(shop_image.path, tmp_path_factory.mktemp("amd64") / "root")


@pytest.fixture(scope="module")
def running(harbour: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Deploy the template's service on this machine; take it down in the end."""
    with sites.deployed(harbour, tmp_path_factory.mktemp("host")) as site:
        yield site


@pytest.fixture
def site(running: Site) -> Iterator[Site]:
    """Return the deployed service, to be changed; what a test leaves broken is undone in the sources."""
    with sites.restored(running):
        yield running
