"""Quotas of a namespace: whether the pods of a rollout fit into what they leave (ResourceQuota, v1)."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from estiba.deploy.kubernetes.client import objects
from estiba.deploy.kubernetes.client.quantity import parse as parse_quantity

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from estiba.deploy.kubernetes.client.kubectl import Kubectl

_KEYS: Final[Mapping[str, tuple[str, str]]] = {
    "cpu": ("requests", "cpu"),
    "memory": ("requests", "memory"),
    "requests.cpu": ("requests", "cpu"),
    "requests.memory": ("requests", "memory"),
    "limits.cpu": ("limits", "cpu"),
    "limits.memory": ("limits", "memory"),
}
"""Part of a container's resources by the name that a quota has for it."""


def find_excess(kubectl: Kubectl, rendered: Sequence[Mapping[str, Any]], *, is_upgrade: bool) -> Iterator[str]:
    """Yield why the quotas of the namespace would refuse pods of a rollout; nothing where they may not be listed.

    Args:
        kubectl: kubectl for the namespace.
        rendered: Objects of the release, with its hooks.
        is_upgrade: Whether the release runs: then one pod more of each Deployment, and before it the Job.
    """
    done = kubectl.ask("get", "resourcequotas,limitranges", "--output=json")
    if done.code:
        return
    items = json.loads(done.stdout)["items"]
    # A limit range may give containers what they do not ask for.
    has_defaults = any(one["kind"] == "LimitRange" for one in items)
    pods = [(objects.name_of(one), one["spec"]["template"]["spec"], _count(one, is_upgrade)) for one in _find(rendered)]
    for quota in items:
        # One with scopes is for some pods alone, such as those of a priority.
        is_whole = quota["kind"] == "ResourceQuota" and not {"scopes", "scopeSelector"} & quota["spec"].keys()
        if is_whole:
            yield from _compare(quota, pods, has_defaults=has_defaults)


def _compare(
    quota: Mapping[str, Any], pods: Sequence[tuple[str, Mapping[str, Any], int]], *, has_defaults: bool
) -> Iterator[str]:
    name, used = quota["metadata"]["name"], quota.get("status", {}).get("used", {})
    for key, hard in quota["spec"].get("hard", {}).items():
        left = parse_quantity(hard) - parse_quantity(used.get(key, "0"))
        if key in {"pods", "count/pods"}:
            wanted = Decimal(sum(count for _, _, count in pods))
        elif key in _KEYS:
            wanted = sum((_sum(pod, *_KEYS[key]) * count for _, pod, count in pods), Decimal(0))
            if not has_defaults:
                yield from (_lack(name, key, owner) for owner, pod, _ in pods if _is_silent(pod, *_KEYS[key]))
        else:
            continue
        if wanted > left:
            left = max(left, Decimal(0)).normalize()
            yield f"quota {name} leaves {left:f} of {key}, and the rollout needs {wanted.normalize():f}"


def _lack(quota: str, key: str, owner: str) -> str:
    return f"quota {quota} wants {key} of each container, and one of {owner} has none"


def _find(rendered: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [one for one in rendered if one["kind"] in {"Deployment", "Job"}]


def _count(one: Mapping[str, Any], is_upgrade: bool) -> int:  # noqa: FBT001 - as the caller has it
    # The Job has ended before the pods begin, and is counted all the same: others may begin meanwhile.
    return 1 if is_upgrade or one["kind"] == "Job" else int(one["spec"].get("replicas", 1))


def _sum(pod: Mapping[str, Any], part: str, key: str) -> Decimal:
    return sum((parse_quantity(_effective(one, part).get(key, "0")) for one in pod["containers"]), Decimal(0))


def _is_silent(pod: Mapping[str, Any], part: str, key: str) -> bool:
    return any(key not in _effective(one, part) for one in pod["containers"])


def _effective(container: Mapping[str, Any], part: str) -> Mapping[str, Any]:
    # Kubernetes takes a limit for the request where that is missing.
    given = _resources(container, part)
    return {**_resources(container, "limits"), **given} if part == "requests" else given


def _resources(container: Mapping[str, Any], part: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = (container.get("resources") or {}).get(part) or {}
    return found
