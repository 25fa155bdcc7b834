"""Definitions of objects that the chart can make and that are not Kubernetes' own, from their owners' Go modules."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.services import golang

if TYPE_CHECKING:
    from tests.cluster.cluster import Cluster
    from tests.services.golang import Go

_SOURCES: Final = Path(__file__).with_name("definitions")
_FILES: Final = {
    "github.com/external-secrets/external-secrets": ["config/crds/bases/external-secrets.io_externalsecrets.yaml"],
    "github.com/prometheus-operator/prometheus-operator": [
        "example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml",
        "example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml",
    ],
    "sigs.k8s.io/gateway-api": ["config/crd/standard/gateway.networking.k8s.io_httproutes.yaml"],
}


def apply(cluster: Cluster) -> None:
    """Teach a cluster the definitions; nothing acts on such objects there."""
    folder = golang.cached(_SOURCES, _collect, notice="fetching definitions for Kubernetes, once")
    # Not client-side, where the whole file becomes an annotation that is too large.
    cluster.kubectl("apply", "--server-side", f"--filename={folder}")
    cluster.kubectl("wait", "--for=condition=Established", f"--filename={folder}", "--timeout=30s")


def _collect(go: Go, folder: Path) -> None:
    for module, names in _FILES.items():
        source = Path(json.loads(go.run("mod", "download", "-json", module))["Dir"])
        for name in names:
            shutil.copy(source / name, folder)
