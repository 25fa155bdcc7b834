"""Containers of a release, and what they need of the cluster: variables, where these come from, volumes."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from estiba.deploy.kubernetes.client.kubectl import explain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from estiba.deploy.kubernetes.client.kubectl import Kubectl

_REFERENCE: Final = re.compile(r"\$\(([A-Za-z_][A-Za-z0-9_]*)\)")
_OF_SERVICES: Final = re.compile(r"_(SERVICE_HOST|PORT)")
_NAMES: Final = '--output=go-template={{range $name, $_ := .data}}{{$name}}{{"\\n"}}{{end}}'
"""Template that prints the names in a Secret or a ConfigMap; the values do not leave kubectl."""


def find_missing_objects(kubectl: Kubectl, rendered: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what has to exist before the release, and does not: its namespace, and where pods read variables from.

    Args:
        kubectl: kubectl for the namespace.
        rendered: Objects of the release, with its hooks.

    Raises:
        TargetError: The cluster cannot be reached.
    """
    names = sorted({f"{kind}/{name}" for kind, name in _sources(rendered)})
    # One call for all, which goes on where the account may not look at one of them, as it often may not at namespaces.
    wanted = [f"namespace/{kubectl.namespace}", *names]
    done = kubectl.ask("get", *wanted, "--ignore-not-found", "--output=name")
    if done.code and "forbidden" not in done.tail:
        raise explain(done.tail, kubectl)
    found = set(done.stdout.split())
    missing = [one for one in wanted if one not in found and _forbidden(one) not in done.tail]
    if wanted[0] in missing:
        return [f"there is no namespace {kubectl.namespace}: kubectl create namespace {kubectl.namespace}"]
    return [f"there is no {one} in namespace {kubectl.namespace}, which pods read variables from" for one in missing]


def find_unmounted(rendered: Sequence[Mapping[str, Any]], folders: Sequence[str]) -> list[str]:
    """Return what of the folders of `persist`, by place in the container, no pod of a release has a volume for."""
    mounts = {
        PurePosixPath(mount["mountPath"])
        for container in _containers(rendered)
        for mount in container.get("volumeMounts", ())
    }
    return [
        f"'persist' of [tool.estiba] has {folder}, where the chart's pods have no volume: invoke chart.render sets it"
        for folder in folders
        if not mounts.intersection([PurePosixPath(folder), *PurePosixPath(folder).parents])
    ]


def find_dangling(kubectl: Kubectl, rendered: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the references of variables to such as their container has not, whose value would be the reference itself.

    Raises:
        TargetError: The cluster cannot be reached, or lets nobody look at the names.
    """
    made = _made(rendered)
    problems = {
        f"variable {variable['name']} refers to {{{name}}}, which neither the chart nor its Secrets have"
        for container in _containers(rendered)
        if (found := list(_find_references(container)))
        if (known := _known(kubectl, container, made)) is not None
        for variable, name in found
        if name not in known
    }
    return sorted(problems)


def find_variables(kubectl: Kubectl, rendered: Sequence[Mapping[str, Any]]) -> frozenset[str]:
    """Return the names of the variables that the containers of some objects get."""
    made = _made(rendered)
    found: set[str] = set()
    for container in _containers(rendered):
        found |= {variable["name"] for variable in container.get("env", ())}
        for source in container.get("envFrom", ()):
            found |= _names(kubectl, source, made) or set()
    return frozenset(found)


def _find_references(container: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], str]]:
    for variable in container.get("env", ()):
        # What Kubernetes itself sets for Services has a name of its own; `$$` is a dollar.
        for name in _REFERENCE.findall(variable.get("value", "").replace("$$", "")):
            if not _OF_SERVICES.search(name):
                yield variable, name


def _known(kubectl: Kubectl, container: Mapping[str, Any], made: Mapping[str, Mapping[str, Any]]) -> set[str] | None:
    """Return the names of a container's variables; None where a source of them is yet to be made."""
    found = {variable["name"] for variable in container.get("env", ())}
    for source in container.get("envFrom", ()):
        if (names := _names(kubectl, source, made)) is None:
            return None
        found |= names
    return found


def _names(kubectl: Kubectl, source: Mapping[str, Any], made: Mapping[str, Mapping[str, Any]]) -> set[str] | None:
    """Return the names in a Secret or a ConfigMap, None where there is none yet."""
    kind, name, _ = _parse_source(source)
    if kind == "configmap" and name in made:
        return set(made[name].get("data") or {})
    done = kubectl.ask("get", kind, name, _NAMES)
    if done.code and "(NotFound)" not in done.tail:
        kubectl.run("get", kind, name, _NAMES)
    return None if done.code else set(done.stdout.split())


def _parse_source(source: Mapping[str, Any]) -> tuple[str, str, bool]:
    """Return kind and name of an entry of `envFrom`, and whether it may be missing (core/v1, EnvFromSource)."""
    kind = "secret" if "secretRef" in source else "configmap"
    reference = source["secretRef" if kind == "secret" else "configMapRef"]
    return kind, reference["name"], bool(reference.get("optional"))


def _sources(rendered: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """Yield kind and name of all that containers must read variables from and the release does not make itself."""
    made = {("configmap", name) for name in _made(rendered)}
    # Also those of operators, such as ExternalSecret and SealedSecret, some of which name the Secret that they make.
    secrets = [one for one in rendered if one["kind"].endswith("Secret")]
    made |= {("secret", one["metadata"]["name"]) for one in secrets}
    made |= {("secret", ((one.get("spec") or {}).get("target") or {}).get("name", "")) for one in secrets}
    for container in _containers(rendered):
        for source in container.get("envFrom", ()):
            kind, name, is_optional = _parse_source(source)
            if not is_optional and (kind, name) not in made:
                yield kind, name


def _containers(rendered: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Yield the containers of the processes."""
    for one in rendered:
        if one["kind"] == "Deployment":
            yield from one["spec"]["template"]["spec"]["containers"]


def _made(rendered: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Return the ConfigMaps of a release by their names."""
    return {one["metadata"]["name"]: one for one in rendered if one["kind"] == "ConfigMap"}


def _forbidden(name: str) -> str:
    """Return what kubectl says where the account may not look at an object, such as `secret/shop-env`."""
    kind, _, own = name.partition("/")
    return f'{kind}s "{own}" is forbidden'
