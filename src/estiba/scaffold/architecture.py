"""Picture of a service's parts, `docs/architecture.md`: what Docker Compose runs, as a Mermaid flowchart and a table.

Both are made of the very file that Compose reads, so they cannot say anything else. GitHub, GitLab and editors draw
Mermaid in Markdown (https://mermaid.js.org/syntax/flowchart.html).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FILE: Final = "docs/architecture.md"

_DEFAULT: Final = re.compile(r"\$\{\w+:-([^}]*)\}")
_HOST: Final = re.compile(r"://(?:[^@/\n]*@)?([\w-]+)")
_OWN: Final = "${IMAGE:-"
_READ_ONLY: Final = ":ro"
_HEALTHY: Final = "service_healthy"
_INTERNET: Final = "Internet"
_OTHER_PLACES: Final = """\
On Kubernetes each process is a Deployment behind an Ingress or a Gateway, and PostgreSQL and Redis are where
`DATABASE_URL` and `REDIS_URL` say. A host target runs the same parts without containers.
"""


def render(compose: Mapping[str, Any], *, note: str, server: str, outside: Mapping[str, str]) -> str:
    """Return the page.

    Args:
        compose: Content of docker-compose.yml.
        note: One sentence for the comment on top.
        server: Program that the process `web` becomes.
        outside: What the service talks to elsewhere: variable that says where, by a name for people.
    """
    chart = "\n".join(f"  {line}" for line in _draw(compose, server, outside))
    rows = "\n".join(f"| {' | '.join(row)} |" for row in _list(compose))
    return (
        f"<!-- {note} -->\n\n# Architecture\n\n```mermaid\nflowchart LR\n{chart}\n```\n\n"
        f"| part | image | runs | after | volumes |\n| --- | --- | --- | --- | --- |\n{rows}\n\n{_OTHER_PLACES}"
    )


def _draw(compose: Mapping[str, Any], server: str, outside: Mapping[str, str]) -> Iterator[str]:
    """Yield the lines of the flowchart: nodes, the service's own ones in a box, then arrows."""
    services, volumes = compose["services"], compose["volumes"]
    nodes = [_INTERNET, *services, *(f"volume {name}" for name in volumes), *outside]
    # Any name will do for people; Mermaid has words of its own.
    ids = {name: f"n{number}" for number, name in enumerate(nodes)}
    yield f"{ids[_INTERNET]}(({_INTERNET}))"
    yield f'subgraph own ["{compose["name"]}: one image"]'
    yield from (
        f'  {ids[name]}["{_label(name, services[name], server)}"]' for name in services if _is_own(services[name])
    )
    yield "end"
    for name in services:
        if not _is_own(services[name]):
            shape = '["{}<br>reverse proxy"]' if "ports" in services[name] else '[("{}")]'
            yield ids[name] + shape.format(name)
    yield from (f'{ids[f"volume {name}"]}[/"volume {name}"/]' for name in volumes)
    yield from (f'{ids[name]}("{name}")' for name in outside)
    for start, arrow, end in (*_list_arrows(services, volumes), *_list_outside(services, outside)):
        yield f"{ids[start]} {arrow} {ids[end]}"


def _list_arrows(services: Mapping[str, Any], volumes: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield who asks whom, and who writes and reads which volume."""
    for name, one in services.items():
        for port in one.get("ports", ()):
            yield _INTERNET, f'-->|"port {_shorten(port).partition(":")[0]}"|', name
            healthy = (other for other, how in one["depends_on"].items() if how["condition"] == _HEALTHY)
            yield from ((name, "-->", other) for other in healthy)
        if _is_process(one):
            hosts = _HOST.findall("\n".join(one["environment"].values()))
            yield from ((name, "-->", other) for other in services if other in hosts)
        for mount in one.get("volumes", ()):
            if (volume := mount.partition(":")[0]) in volumes:
                place = f"volume {volume}"
                yield (place, "-.->", name) if mount.endswith(_READ_ONLY) else (name, "-->", place)


def _list_outside(services: Mapping[str, Any], outside: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    first = next(name for name, one in services.items() if _is_process(one))
    yield from ((first, f'-.->|"{variable}"|', name) for name, variable in outside.items())


def _list(compose: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """Yield the rows of the table."""
    for name, one in compose["services"].items():
        image = "the service's" if _is_own(one) else f"`{_shorten(one['image'])}`"
        runs = f"`{_shorten(' '.join(one['command']))}`" if "command" in one and "entrypoint" not in one else ""
        after = ", ".join(one.get("depends_on", ()))
        mounts = (mount.partition(":")[0] for mount in one.get("volumes", ()))
        yield name, image, runs, after, ", ".join(mount for mount in mounts if mount in compose["volumes"])


def _label(name: str, one: Mapping[str, Any], server: str) -> str:
    """Return the words of one of the service's own containers."""
    check = one.get("healthcheck")
    if not check:
        return name
    return f"{name}<br>{server}<br>Django, port {urlsplit(check['test'][-1]).port}"


def _is_own(one: Mapping[str, Any]) -> bool:
    return str(one["image"]).startswith(_OWN)


def _is_process(one: Mapping[str, Any]) -> bool:
    """Whether the service itself runs in a container; that which copies static files has another program."""
    return _is_own(one) and "entrypoint" not in one


def _shorten(text: str) -> str:
    """Return a text with the defaults in place of Compose's variables."""
    return _DEFAULT.sub(r"\1", text)
