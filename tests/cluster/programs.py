"""The programs of a cluster: those of Kubernetes, built once from the Go modules that they are, and Debian's."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.services import debian

from estiba import config, files
from estiba.digest import Digest

if TYPE_CHECKING:
    from collections.abc import Mapping

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
_INPUTS: Final = ("go.mod", "go.sum", "main.go", "pause/main.go")
_GO: Final = (1, 26)
_TOOLCHAIN: Final = "go1.26.5"
"""What a Go that is too old fetches as a module, from where the other modules come."""


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
    tree = debian.unpack(*PACKAGES, essential=True, suite=SUITE)
    folder = _build(config.load().cache_dir / "tests")
    return Programs(kubernetes=folder / "kubernetes", pause=folder / "pause", tree=tree)


def version() -> str:
    """Return the version of Kubernetes."""
    (found,) = re.findall(r"^\tk8s\.io/kubernetes v(\S+)", (_SOURCES / "go.mod").read_text(), re.MULTILINE)
    return str(found)


def _build(cache: Path) -> Path:
    """Build the program of Kubernetes into a folder named after what it is made from, unless it is there."""
    key = Digest.of_bytes(b"".join((_SOURCES / name).read_bytes() for name in _INPUTS)).hex[:16]
    folder = cache / f"kubernetes-{key}"
    cache.mkdir(parents=True, exist_ok=True)
    with files.lock(cache / "kubernetes.lock", wait=True):
        if folder.exists():
            return folder
        sys.stderr.write(f"building Kubernetes {version()}, once, about 9 CPU minutes and 5 GB of space meanwhile\n")
        for abandoned in cache.glob("kubernetes-*.part"):
            shutil.rmtree(abandoned)
        scratch = Path(tempfile.mkdtemp(prefix=f"{folder.name}-", suffix=".part", dir=cache))
        try:
            made = scratch / "made"
            made.mkdir()
            _compile(made, scratch)
            made.rename(folder)
        finally:
            # The caches of Go are forty times as large as what they are for.
            shutil.rmtree(scratch)
    return folder


def _compile(folder: Path, scratch: Path) -> None:
    """Compile into a folder, with caches in another one."""
    go, chosen = _find_go()
    variables = {
        "CGO_ENABLED": "0",
        "GOCACHE": str(scratch / "cache"),
        "GOFLAGS": "-trimpath -buildvcs=false -modcacherw -mod=readonly",
        "GOMODCACHE": str(scratch / "modules"),
        "GOTMPDIR": str(scratch),
        "GOWORK": "off",
        **chosen,
    }
    flags = f"-s -w -X k8s.io/component-base/version.gitVersion=v{version()}"
    env = config.load().environment(**variables)
    for name, package in (("kubernetes", "."), ("pause", "./pause")):
        argv = [go, "build", "-ldflags", flags, "-o", str(folder / name), package]
        subprocess.run(argv, cwd=_SOURCES, env=env, check=True, stdout=sys.stderr)


def _find_go() -> tuple[str, Mapping[str, str]]:
    """Return the command for Go and its variables: the machine's where it is new enough, else Debian's."""
    found = shutil.which("go")
    if found:
        said = subprocess.run([found, "env", "-json", "GOVERSION"], capture_output=True, text=True, check=False).stdout
        numbers = re.match(r"go(\d+)\.(\d+)", json.loads(said or "{}").get("GOVERSION", ""))
        if numbers and (int(numbers[1]), int(numbers[2])) >= _GO:
            return found, {"GOTOOLCHAIN": "local"}
    (root,) = debian.unpack("golang-go", suite=SUITE).glob("usr/lib/go-*")
    return str(root / "bin" / "go"), {"GOROOT": str(root), "GOTOOLCHAIN": _TOOLCHAIN}
