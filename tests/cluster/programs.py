"""The programs of a cluster: those of Kubernetes, built from the Go modules that they are, and Debian's."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.services import debian, golang

if TYPE_CHECKING:
    from tests.services.golang import Go

SUITE: Final = "trixie"
"""The first release whose etcd and containerd are new enough."""

PACKAGES: Final = (
    "conntrack",
    "containerd",
    "containernetworking-plugins",
    "docker-registry",
    "etcd-server",
    "iproute2",
    "nftables",
    "openssl",
    "postgresql-17",
    "python3",
    "redis-server",
    "runc",
)

_SOURCES: Final = Path(__file__).with_name("kubernetes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Programs:
    """Where the programs are.

    Attributes:
        kubernetes: One program, whose name says which of Kubernetes' it is to be.
        pause: The first process of a pod.
        tree: Debian's packages.
    """

    kubernetes: Path
    pause: Path
    tree: Path


def bring() -> Programs:
    """Return the programs, from the cache folder where they are in it already."""
    notice = f"building Kubernetes {version()}, once, about 10 CPU minutes and 5 GB of space meanwhile"
    folder = golang.cached(_SOURCES, _compile, notice=notice)
    tree = debian.unpack(*PACKAGES, essential=True, suite=SUITE)
    return Programs(kubernetes=folder / "kubernetes", pause=folder / "pause", tree=tree)


def version() -> str:
    """Return the version of Kubernetes."""
    (found,) = re.findall(r"^\tk8s\.io/kubernetes v(\S+)", (_SOURCES / "go.mod").read_text(), re.MULTILINE)
    return str(found)


def _compile(go: Go, folder: Path) -> None:
    flags = f"-s -w -X k8s.io/component-base/version.gitVersion=v{version()}"
    for name, package in (("kubernetes", "."), ("pause", "./pause")):
        go.run("build", "-ldflags", flags, "-o", str(folder / name), package)
