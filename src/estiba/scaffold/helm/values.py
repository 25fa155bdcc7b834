"""Values of a service's chart: what all environments share, and what each of them adds."""

from __future__ import annotations

import fnmatch
import urllib.parse
from typing import TYPE_CHECKING, Any, Final

from estiba.deploy.host.settings import is_network
from estiba.errors import ConfigError
from estiba.publish.chart import ENVIRONMENTS
from estiba.service import environment
from estiba.service.processes import WEB

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from estiba.service.processes import Process
    from estiba.service.project import Project

ALIAS: Final = "service"
"""Name under which the values of Estiba's own chart stand in those of a service's chart."""

DIFFERENCES: Final = (
    "env.*",
    "environment",
    "hosts",
    "httpRoute.parentRefs",
    "image.repository",
    "ingress.annotations.*",
    "ingress.className",
    "ingress.tlsSecret",
    "media.existingClaim",
    "media.size",
    "media.storageClassName",
    "networkPolicy.egress",
    "networkPolicy.fromNamespaces.*",
    "persist.existingClaim",
    "persist.size",
    "persist.storageClassName",
    "processes.*.autoscaling.*",
    "processes.*.replicas",
    "secrets.existing",
    "secrets.external.data.*",
    "secrets.external.store.*",
    "serviceAccount.annotations.*",
    "trustedProxies",
)
"""Values in which staging and production may differ; in all others staging is what production will be."""

_OF_THE_CHART: Final = ("worker", "scheduler")
"""Processes that the chart has unless they are taken away."""

_RESERVE: Final = 5
"""Seconds between a process's own time limit and SIGKILL."""

_WHERE: Final = "pyproject.toml [tool.estiba.chart]"
_ORDER: Final = ("environment", "image", "hosts")


def shared(project: Project) -> dict[str, Any]:
    """Return the values of all environments: what else the settings say, and `[tool.estiba.chart]`.

    Raises:
        ConfigError: The table has a value that is none of a chart.
    """
    _check(project)
    targets = [_target(project, name) for name in reversed(list(ENVIRONMENTS))]
    images = [target["image"] for target in targets if "image" in target]
    found: dict[str, Any] = {"image": {"repository": images[0]}} if images else {}
    if project.processes:
        found["processes"] = _processes(project.processes)
    if project.persist:
        found["persist"] = {"paths": list(project.persist)}
    table = {key: value for key, value in project.chart.items() if key not in ENVIRONMENTS}
    return _complete(merge(found, table))


def of_environment(project: Project, name: str) -> dict[str, Any]:
    """Return what an environment adds: from its target, and from `[tool.estiba.chart.NAME]`, which has the last word.

    Args:
        project: The service.
        name: One of `ENVIRONMENTS`.

    Raises:
        ConfigError: The table has a value that is none of a chart, or one that must be the same in production.
    """
    _check(project)
    found: dict[str, Any] = {"environment": ENVIRONMENTS[name]}
    own = project.chart.get(name, {})
    return _complete(merge(merge(found, _of_target(project, name)), own))


def find_differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the dotted keys in which two tables of values differ and must not (`DIFFERENCES`), sorted."""
    flat, flat_other = dict(_flatten(one)), dict(_flatten(other))
    differing = {key for key in {*flat, *flat_other} if flat.get(key) != flat_other.get(key)}
    return tuple(sorted(key for key in differing if not any(fnmatch.fnmatch(key, may) for may in DIFFERENCES)))


def _processes(given: Sequence[Process]) -> dict[str, Any]:
    """Return the chart's processes for `[tool.estiba.processes]`, where those of the chart itself count for nothing."""
    unwanted: dict[str, Any] = dict.fromkeys(_OF_THE_CHART, False)
    return {**unwanted, **{one.name: _process(one) for one in given}}


def _process(given: Process) -> dict[str, Any]:
    """Return a process of the chart; the image knows what it runs, so that the name is its command."""
    made: dict[str, Any] = {} if given.name == WEB else {"command": [given.name]}
    if given.instances > 1:
        made["replicas"] = given.instances
    if given.is_singleton:
        made["singleton"] = True
    if given.grace:
        made["gracePeriodSeconds"] = given.grace + _RESERVE
    if given.ready:
        made["probes"] = {"readiness": given.ready}
    if given.ready_command:
        made["readinessCommand"] = ["ready", given.name]
    return made


def _check(project: Project) -> None:
    problems = [
        f"{name!r} must be a table, not {project.chart[name]!r}"
        for name in ENVIRONMENTS
        if not isinstance(project.chart.get(name, {}), dict)
    ]
    if not problems:
        staging, prod = (project.chart.get(name, {}) for name in ("staging", "prod"))
        problems = [
            f"{key!r} differs between 'staging' and 'prod': write it for all, above both"
            for key in find_differences(staging, prod)
        ]
    tables = [project.chart, *(project.chart.get(name, {}) for name in ENVIRONMENTS)]
    problems = problems or [problem for table in tables for problem in _check_proxies(table)]
    if not problems and (schema := environment.load(project.folder)):
        problems = [problem for table in tables for problem in schema.find_problems(_variables(table))]
    if problems:
        raise ConfigError(_WHERE, problems)


def _check_proxies(table: Mapping[str, Any]) -> list[str]:
    """Return what of `trustedProxies` is no network for nginx and gunicorn, which the chart's schema cannot tell."""
    found = table.get("trustedProxies", [])
    return [
        f"'trustedProxies' has {network!r}, not an IP address or a network such as '10.0.0.0/8'"
        for network in (found if isinstance(found, list) else [found])
        if not is_network(str(network))
    ]


def _variables(table: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the variables that a table of values sets in the open, nothing where they are no table."""
    found = table.get("env", {})
    return found if isinstance(found, dict) else {}


def _target(project: Project, name: str) -> Mapping[str, Any]:
    """Return the settings of an environment's target on Kubernetes, or nothing."""
    tables = [project.targets.get(one, {}) for one in (ENVIRONMENTS[name], name)]
    return next((table for table in tables if table.get("kind") == "kubernetes"), {})


def _of_target(project: Project, name: str) -> dict[str, Any]:
    """Return what an environment's target says: the host of `url`, and `image` where it is another one than for all."""
    target = _target(project, name)
    image, host = target.get("image", ""), urllib.parse.urlsplit(str(target.get("url", ""))).hostname
    is_own = image and image != shared(project).get("image", {}).get("repository")
    return {**({"image": {"repository": image}} if is_own else {}), **({"hosts": [host]} if host else {})}


def merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return two tables as one, as Helm merges values: tables key by key, all else as a whole."""
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        merged[key] = merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def _complete(table: Mapping[str, Any]) -> dict[str, Any]:
    """Return a table in the order of the chart's own values, with null for a process that is `false`: TOML has none."""
    ordered = [*(key for key in _ORDER if key in table), *sorted(key for key in table if key not in _ORDER)]
    values = {key: table[key] for key in ordered}
    if isinstance(values.get("processes"), dict):
        values["processes"] = {
            name: None if process is False else process for name, process in values["processes"].items()
        }
    return values


def _flatten(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, dict) and value:
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
