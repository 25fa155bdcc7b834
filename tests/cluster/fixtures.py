"""Fixtures of the cluster; `tests/integration/conftest.py` offers them to all integration tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.cluster import lifecycle

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.cluster import Cluster


@pytest.fixture(scope="session")
def any_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Run a Kubernetes cluster, without a node where this machine lets no kubelet run."""
    folder = tmp_path_factory.mktemp("kubernetes") / "cluster"
    try:
        yield lifecycle.up(folder)
    finally:
        lifecycle.down(folder)


@pytest.fixture(scope="session")
def cluster(any_cluster: Cluster) -> Cluster:
    """Return the cluster, which must have a node."""
    if not any_cluster.is_whole:
        pytest.skip(any_cluster.obstacle)
    return any_cluster
