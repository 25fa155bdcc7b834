"""The plan of a cluster: which programs the first process of its namespaces runs, and how (`tests/cluster/node.py`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

ADDRESS: Final = "10.99.0.1"
"""The node's own, where pods find what runs beside the cluster."""
PODS: Final = "10.88.0.0/16"
SERVICES: Final = "10.96.0.0/16"
PORT: Final = 6443
NAME: Final = "node"
SETTINGS: Final = "/etc/kubernetes"
_KUBECONFIG: Final = f"--kubeconfig={SETTINGS}/kubeconfig"


def whole() -> dict[str, dict[str, Any]]:
    """Return the programs of a cluster with a node."""
    return {
        **core(),
        "kubelet": _kubernetes(
            "kubelet",
            _KUBECONFIG,
            f"--config={SETTINGS}/kubelet.yaml",
            f"--hostname-override={NAME}",
            f"--node-ip={ADDRESS}",
        ),
        "kube-scheduler": _kubernetes("kube-scheduler", _KUBECONFIG, "--leader-elect=false"),
        "kube-proxy": _kubernetes(
            "kube-proxy",
            _KUBECONFIG,
            "--proxy-mode=nftables",
            "--conntrack-max-per-core=0",
            f"--hostname-override={NAME}",
            f"--cluster-cidr={PODS}",
        ),
        "coredns": _kubernetes("coredns", "-conf", f"{SETTINGS}/Corefile"),
        "containerd": {"argv": ["containerd", "--config", f"{SETTINGS}/containerd.toml"]},
        "postgresql": {"argv": ["sh", f"{SETTINGS}/postgresql.sh"], "nobody": True},
        "redis": {"argv": ["redis-server", "--bind", ADDRESS, "--protected-mode", "no", "--save", ""], "nobody": True},
    }


def core() -> dict[str, dict[str, Any]]:
    """Return the programs of a cluster that has no node: what it is told is checked and kept, and nothing runs."""
    return {
        "registry": {"argv": ["docker-registry", "serve", f"{SETTINGS}/registry.json"]},
        "etcd": {"argv": ["etcd", "--data-dir=/var/lib/etcd", "--unsafe-no-fsync"]},
        "kube-apiserver": _kubernetes(
            "kube-apiserver",
            "--etcd-servers=http://127.0.0.1:2379",
            f"--secure-port={PORT}",
            f"--advertise-address={ADDRESS}",
            f"--tls-cert-file={SETTINGS}/tls.crt",
            f"--tls-private-key-file={SETTINGS}/tls.key",
            f"--token-auth-file={SETTINGS}/tokens.csv",
            "--authorization-mode=Node,RBAC",
            "--allow-privileged=true",
            f"--service-cluster-ip-range={SERVICES}",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            f"--service-account-key-file={SETTINGS}/accounts.key",
            f"--service-account-signing-key-file={SETTINGS}/accounts.key",
            # Logs and commands of pods would look the node's name up otherwise.
            "--kubelet-preferred-address-types=InternalIP",
        ),
        "kube-controller-manager": _kubernetes(
            "kube-controller-manager",
            _KUBECONFIG,
            "--leader-elect=false",
            f"--cluster-cidr={PODS}",
            f"--root-ca-file={SETTINGS}/tls.crt",
            f"--service-account-private-key-file={SETTINGS}/accounts.key",
        ),
    }


def relay(routes: Mapping[int, str]) -> dict[str, Any]:
    """Return the program that serves listening sockets.

    Args:
        routes: Descriptor of each, to the address that its connections go to.
    """
    words = [f"{number}={address}" for number, address in routes.items()]
    return {"argv": ["python3", f"{SETTINGS}/relay.py", *words], "descriptors": list(routes)}


def registry(port: int) -> dict[str, Any]:
    """Return the configuration of the registry (CNCF Distribution, "Configuring a registry")."""
    return {
        "version": "0.1",
        "log": {"level": "warn"},
        "storage": {"filesystem": {"rootdirectory": "/var/lib/registry"}},
        "http": {"addr": f"127.0.0.1:{port}", "secret": "of-tests", "relativeurls": True},
    }


def kubeconfig(server: str, token: str, **authority: str) -> dict[str, Any]:
    """Return a kubeconfig, which may be JSON.

    Args:
        server: URL of the API server.
        token: The administrator's.
        authority: Certificate of the server, by one of the two keys that a kubeconfig has for it.
    """
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "tests", "cluster": {"server": server, **authority}}],
        "users": [{"name": "admin", "user": {"token": token}}],
        "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": "admin"}}],
        "current-context": "tests",
    }


def _kubernetes(name: str, *arguments: str) -> dict[str, Any]:
    return {"argv": [name, *arguments], "executable": "/etc/kubernetes.program"}
