"""Files that nginx sends without the service: settings `published` of a target, and nginx's directives for them.

A file below `public` of the folder is everybody's. One below `private` is sent to whom the service lets in: nginx asks
it, and remembers the answer as long as the service says in `X-Accel-Expires`. What is not there the service answers.
Each file is looked up once: by `try_files` it would be twice, and by `disable_symlinks` once for each part of its path.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FOLDER: Final = re.compile(r"/?[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")
"""A folder of `persist`."""

_NAME: Final = "[A-Za-z0-9._+=-]+"
"""What a * stands for in an address; anything else in its place is the service's to answer."""

_VALUES: Final = {
    "folder": (FOLDER, "a folder of 'persist', such as 'data'"),
    "type": (re.compile(r"[a-z]+/[A-Za-z0-9.+-]+"), "a media type, such as 'text/plain'"),
    "rights": (re.compile(r"(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+/"), "an address of the service, such as '/api/rights/'"),
    "cache": (re.compile(r"[a-z-]+(=\d+)?(, [a-z-]+(=\d+)?)*"), "such as 'max-age=3600'"),
}
_ADDRESS: Final = re.compile(r"/\*(/(\*|[A-Za-z0-9_-])[A-Za-z0-9._*-]*)+")

_MEMORY: Final = "proxy_cache_path /tmp/rights keys_zone=rights:5m inactive=1m max_size=20m use_temp_path=off;\n"
"""Where nginx remembers answers about rights; two more processes look after it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """Addresses whose files nginx sends without the service.

    Attributes:
        address: The addresses; each * stands for a part of a name, and the first for what a right is about.
        folder: Folder of `persist` with `public` and `private`, as a place in the service's root file system.
        rights: Address of the service that nginx asks about the first part of an address; empty if all is public.
        type: Media type of the files.
        cache: What `Cache-Control` says, besides who may keep it.
    """

    address: str
    folder: str
    rights: str
    type: str
    cache: str


def parse(table: Mapping[str, Mapping[str, str]]) -> tuple[Published, ...]:
    """Return the settings in a table that `check` has found nothing wrong with."""
    return tuple(
        Published(
            address=address,
            folder=str(PurePosixPath("/app", values["folder"])),
            rights=values.get("rights", ""),
            type=values.get("type", "application/octet-stream"),
            cache=values.get("cache", "no-cache"),
        )
        for address, values in sorted(table.items())
    )


def check(table: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with a table, whose words become text of nginx's configuration."""
    problems = [
        f"'published' has {address!r}, not an address such as '/*/*.txt'"
        for address in table
        if not _ADDRESS.fullmatch(address)
    ]
    for address, values in table.items():
        if not isinstance(values, dict) or "folder" not in values:
            problems.append(f"'published' of {address!r} must be a table with 'folder'")
            continue
        problems += [
            f"'published' of {address!r} has {key} = {value!r}; "
            + (f"{key} is {_VALUES[key][1]}" if key in _VALUES else f"known are {', '.join(_VALUES)}")
            for key, value in values.items()
            if key not in _VALUES or not isinstance(value, str) or not _VALUES[key][0].fullmatch(value)
        ]
    return problems


def of_http(published: Sequence[Published]) -> str:
    """Return nginx's directives outside of all servers."""
    return _MEMORY if any(one.rights for one in published) else ""


def of_server(published: Sequence[Published], folders: Mapping[str, str]) -> str:
    """Return nginx's directives within the server.

    Args:
        published: The settings.
        folders: Where nginx has the folders, by their places in the service's root file system.
    """
    return "".join(_render(one, folders[one.folder], f"rights{number}") for number, one in enumerate(published))


def _render(one: Published, folder: str, name: str) -> str:
    pattern = re.escape(one.address).replace(r"\*", _NAME).replace(_NAME, f"(?<published_part>{_NAME})", 1)
    everybody = [
        f"set $published_rights {name if one.rights else 'service'}",
        f"root {folder}$published_folder",
        *_send(one, "public"),
        "error_page 403 404 405 = @$published_next",
    ]
    blocks = [(f'~ "^{pattern}$"', everybody)]
    if one.rights:
        also = [f"root {folder}/public", *_send(one, "private"), "error_page 403 404 405 = @service"]
        blocks += [(f"@{name}", _let_in(one, folder, name)), (f"@public-{name}", also)]
        blocks += [(f"= /.estiba-{name}", _ask(one, name))]
    return "".join(f"location {where} {{\n{_join(lines)}}}\n" for where, lines in blocks)


def _send(one: Published, kept_by: str) -> list[str]:
    """Return the directives of files, but for where they are and who answers if they are not."""
    return [
        "types { }",
        f"default_type {one.type}",
        "etag on",
        "if_modified_since exact",
        "gzip_static off",
        "add_header X-Content-Type-Options nosniff",
        f'add_header Cache-Control "{kept_by}, {one.cache}"',
        # To the same place as all others, some lines at once: a pipe takes no more than 4 KiB in one piece.
        "access_log /proc/self/fd/1 json buffer=4k flush=1s",
        "log_not_found off",
        "recursive_error_pages on",
    ]


def _let_in(one: Published, folder: str, name: str) -> list[str]:
    """Return the directives for those who show something."""
    return [
        f"root {folder}/private",
        *_send(one, "private"),
        f"auth_request /.estiba-{name}",
        # The service says why, and to those whom it lets do more than read it gives its own answer.
        "error_page 401 403 405 500 = @service",
        f"error_page 404 = @public-{name}",
    ]


def _ask(one: Published, name: str) -> list[str]:
    """Return the directives of a question about them."""
    return [
        "internal",
        f"proxy_pass http://service{one.rights}$published_part",
        "proxy_pass_request_body off",
        "proxy_pass_request_headers off",
        "proxy_set_header Host $http_host",
        "proxy_set_header Authorization $http_authorization",
        "proxy_set_header X-Forwarded-Proto $forwarded_proto",
        "proxy_cache rights",
        "open_file_cache max=1000 inactive=5s",
        f'proxy_cache_key "{name}:$published_part:$http_authorization"',
        # Only its own answer counts, no page in its place.
        "error_page 599 @away",
    ]


def _join(lines: Sequence[str]) -> str:
    return "".join(f"  {line}{'' if line.endswith('}') else ';'}\n" for line in lines)
