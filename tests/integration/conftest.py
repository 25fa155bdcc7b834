"""Offers the services to all integration tests."""

from __future__ import annotations

from tests.cluster.fixtures import any_cluster, cluster
from tests.services.fixtures import (
    docker_engine,
    harbour,
    registry_root,
    running,
    running_registry,
    shop,
    shop_image,
    shop_root,
    site,
    template,
)

__all__ = [
    "any_cluster",
    "cluster",
    "docker_engine",
    "harbour",
    "registry_root",
    "running",
    "running_registry",
    "shop",
    "shop_image",
    "shop_root",
    "site",
    "template",
]
