"""Checks of a cluster before a deployment: rights, objects, room, conflicts of fields, names of variables."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from estiba.deploy.kubernetes.client import objects
from estiba.deploy.kubernetes.client.quantity import UNITS
from estiba.deploy.kubernetes.client.quantity import parse as parse_quantity
from estiba.errors import TargetError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from estiba.deploy.kubernetes.client.helm import Helm
    from estiba.deploy.kubernetes.client.kubectl import Kubectl

_RIGHTS: Final[Mapping[str, tuple[str, ...]]] = {
    "configmaps": ("create", "get", "list", "update"),
    "jobs.batch": ("create", "delete", "get", "list"),
    "leases.coordination.k8s.io": ("create", "get", "patch", "update"),
    "pods": ("list",),
    "pods/log": ("get",),
    "secrets": ("create", "delete", "get", "list", "update"),
}
"""What a deployment needs beside the objects of the chart, by resource; Helm keeps its releases in Secrets."""

_OF_OBJECTS: Final = ("create", "delete", "get", "list", "patch", "watch")
"""What Helm does with each object of a chart; one that the next revision has no more is deleted."""

_ALL: Final = "*"
_SOFT: Final = "PreferNoSchedule"
"""Effect of a taint that keeps no pod away for certain."""

_MANAGER: Final = re.compile(r'conflicts? with "([^"]+)"')
_FIELD: Final = re.compile(r"^(?:- )?(?:.*: )?(\.[A-Za-z][\w.\[\]\"=-]*)$", re.MULTILINE)


def find_missing_rights(kubectl: Kubectl, rendered: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield what the account may not do, though a deployment needs it.

    Args:
        kubectl: kubectl for the namespace.
        rendered: Objects of the release, with its hooks.

    Raises:
        TargetError: The cluster cannot be reached.
    """
    wanted = {name: set(verbs) for name, verbs in _RIGHTS.items()}
    for one in rendered:
        wanted.setdefault(_resource(one), set()).update(_OF_OBJECTS)
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": kubectl.namespace},
    }
    # One question in place of one for each right; a webhook that decides cannot list its rules, so it is asked then.
    status = kubectl.create(review)["status"]
    rules = status.get("resourceRules") or []
    missing = [
        f"{verb} {name}"
        for name, verbs in sorted(wanted.items())
        for verb in sorted(verbs)
        if not any(_allows(rule, verb, name) for rule in rules)
        and not (status.get("incomplete") and _may(kubectl, verb, name))
    ]
    if missing:
        yield f"the account may not: {', '.join(missing)} (in namespace {kubectl.namespace})"


def _may(kubectl: Kubectl, verb: str, resource: str) -> bool:
    name, _, part = resource.partition("/")
    arguments = ["auth", "can-i", verb, name, *([f"--subresource={part}"] if part else [])]
    done = kubectl.ask(*arguments)
    if done.code and done.stdout.strip() != "no":
        # Says whether the cluster is away or the account unknown.
        kubectl.run(*arguments)
    return done.stdout.strip() == "yes"


def _allows(rule: Mapping[str, Any], verb: str, resource: str) -> bool:
    # A rule for objects by name is none for those that do not exist yet.
    name, _, group = resource.partition(".")
    return not rule.get("resourceNames") and all(
        {wanted, _ALL} & set(rule.get(key) or ())
        for key, wanted in (("verbs", verb), ("apiGroups", group), ("resources", name))
    )


def _resource(one: Mapping[str, Any]) -> str:
    """Return the resource of an object, with its group, by the convention that all of them follow."""
    kind, (group, slash, _) = one["kind"].lower(), one["apiVersion"].partition("/")
    plural = f"{kind[:-1]}ies" if kind.endswith("y") else f"{kind}es" if kind.endswith("s") else f"{kind}s"
    return f"{plural}.{group}" if slash else plural


def find_conflicts(helm: Helm, rendered: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the fields that somebody else manages and the release would change, each with its manager.

    Helm 4 applies on the server, where such a field is an error: an autoscaler's `replicas`, or what `kubectl edit`
    and `kubectl scale` have set.

    Raises:
        TargetError: The cluster refuses the objects for another reason.
    """
    applied = [one for one in rendered if not objects.is_hook(one)]
    # One call for all: it reports every object with a conflict, each on lines of its own.
    argv = ["apply", "--server-side", "--dry-run=server", "--field-manager=helm", "--filename=-"]
    code, text = helm.kubectl.ask_all(*argv, stdin=_dump(applied))
    if not code:
        return []
    if "conflict" not in text:
        said = text.splitlines()
        msg = f"the cluster refuses the objects of the release: {said[-1] if said else 'no reason given'}"
        raise TargetError(msg)
    fields = ", ".join(sorted(set(_FIELD.findall(text)))) or "a field"
    return [f"{fields}: managed by {', '.join(sorted(set(_MANAGER.findall(text))))}"]


def find_missing_room(kubectl: Kubectl, rendered: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return why the pods that a rollout adds would fit on no node; nothing where nodes may not be listed.

    While a Deployment is rolled out, one pod more than its replicas runs.
    """
    done = kubectl.ask("get", "nodes,pods", "--all-namespaces", "--output=json")
    if done.code:
        return []
    items = json.loads(done.stdout)["items"]
    nodes = [one for one in items if one["kind"] == "Node" and not one["spec"].get("unschedulable")]
    free = {one["metadata"]["name"]: _free(one, items) for one in nodes}
    problems = []
    for one in rendered:
        if one["kind"] == "Deployment":
            pod = one["spec"]["template"]["spec"]
            wanted = _requests(pod)
            taints = {node["metadata"]["name"]: _find_taint(node, pod) for node in nodes}
            fitting = [name for name, room in free.items() if all(room[key] >= wanted[key] for key in wanted)]
            if all(taints[name] for name in fitting):
                cpu, memory = wanted["cpu"], wanted["memory"] / UNITS["Mi"]
                tainted = ", ".join(sorted({taints[name] for name in fitting}))
                but = f"; nodes that have room have the taint {tainted}" if tainted else ""
                problems.append(
                    f"no node has room for one more pod of {objects.name_of(one)}: it requests {cpu:.2f} CPU and"
                    f" {memory:.0f} MiB{but}"
                )
    return problems


def _find_taint(node: Mapping[str, Any], pod: Mapping[str, Any]) -> str:
    """Return the key of a taint that keeps a pod from a node, such as that of a full disk; empty if there is none."""
    for taint in node["spec"].get("taints", ()):
        if taint["effect"] != _SOFT and not any(_tolerates(one, taint) for one in pod.get("tolerations", ())):
            return str(taint["key"])
    return ""


def _tolerates(toleration: Mapping[str, Any], taint: Mapping[str, Any]) -> bool:
    """Tell whether a toleration is one for a taint (core/v1, Toleration)."""
    is_any = toleration.get("operator") == "Exists"
    is_key = toleration["key"] == taint["key"] if toleration.get("key") else is_any
    is_value = is_any or toleration.get("value", "") == taint.get("value", "")
    return is_key and is_value and toleration.get("effect", taint["effect"]) == taint["effect"]


def _free(node: Mapping[str, Any], items: Iterable[Mapping[str, Any]]) -> dict[str, Decimal]:
    free = {key: parse_quantity(node["status"]["allocatable"][key]) for key in ("cpu", "memory")}
    for one in items:
        is_over = one.get("status", {}).get("phase") in {"Succeeded", "Failed"}
        if one["kind"] == "Pod" and not is_over and one["spec"].get("nodeName") == node["metadata"]["name"]:
            for key, value in _requests(one["spec"]).items():
                free[key] -= value
    return free


def _requests(pod: Mapping[str, Any]) -> dict[str, Decimal]:
    total = {"cpu": Decimal(0), "memory": Decimal(0)}
    for container in pod["containers"]:
        # Kubernetes takes a limit for the request where that is missing.
        resources = container.get("resources") or {}
        wanted = {**(resources.get("limits") or {}), **(resources.get("requests") or {})}
        for key in total:
            total[key] += parse_quantity(wanted.get(key, "0"))
    return total


def _dump(items: Sequence[Mapping[str, Any]]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": list(items)})
