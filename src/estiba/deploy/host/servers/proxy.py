"""Configuration of nginx that follows the settings of a target; the rest is nix/build/host/nginx.conf."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from estiba.deploy.host.servers import published

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from estiba.deploy.host.settings import Settings

_LOOPBACK: Final = ("127.0.0.1", "::1")
_FOLDERS: Final = "/srv/folders"
"""Folder in nginx's root file system with the folders of data that it sends files from."""

_PUBLISHED: Final = "/srv/published"
"""Folder with those that it sends files from by itself, where no symbolic link is followed."""


def of_server(settings: Settings, port: int, *, has_published: bool = True) -> str:
    """Return the directives of nginx's server.

    Args:
        settings: Settings of the target.
        port: TCP port to listen on.
        has_published: Whether nginx of the release can send what is published.
    """
    address = f"[{settings.address}]" if ":" in settings.address else settings.address
    lines = [
        f"listen {address}:{port}",
        f"client_max_body_size {settings.upload_limit}",
        f"proxy_read_timeout {settings.request_limit}s",
        f"proxy_send_timeout {settings.request_limit}s",
        *([] if settings.request_buffering else ["proxy_request_buffering off"]),
        *find_clients(settings.trusted_proxies),
    ]
    text = "".join(f"{line};\n" for line in lines) + "".join(
        f"location ^~ {where} {{\n{_render(locate(place))}}}\n" for where, place in sorted(settings.internal.items())
    )
    folders = {one.folder: locate_published(one.folder) for one in settings.published}
    return text + (published.of_server(settings.published, folders) if has_published else "")


def list_folders(settings: Settings) -> list[str]:
    """Return the folders of data that nginx sends files from, as places in the service's root file system."""
    return sorted({*settings.internal.values(), *(one.folder for one in settings.published)})


def locate(place: str) -> str:
    """Return where nginx has a folder of the service's data.

    Args:
        place: Place of the folder in the service's root file system.
    """
    return f"{_FOLDERS}{place}"


def locate_published(place: str) -> str:
    """Return where nginx has a folder whose files it sends by itself, as `locate` does."""
    return f"{_PUBLISHED}{place}"


def _render(folder: str) -> str:
    """Return the directives of an address that only the service leads to, by the header X-Accel-Redirect."""
    lines = [
        "internal",
        f"alias {folder}/",
        # The service could lead nginx to files that it may not read itself.
        f"disable_symlinks on from={folder}",
        "add_header X-Content-Type-Options nosniff",
    ]
    return "".join(f"  {line};\n" for line in lines)


def find_clients(networks: Sequence[str]) -> list[str]:
    """Return the directives by which a client's address is what proxies in these networks say that it is."""
    found = [f"set_real_ip_from {network}" for network in networks]
    return [*found, "real_ip_header X-Forwarded-For", "real_ip_recursive on"] if found else []


def list_trusted(settings: Settings) -> str:
    """Return the lines of nginx's `geo` for those that may say that a request came over TLS.

    Where there is a proxy, this machine may say so too, since the smoke tests ask as the proxy does.
    """
    return list_networks(dict.fromkeys([*settings.trusted_proxies, *_LOOPBACK]) if settings.trusted_proxies else ())


def list_networks(networks: Iterable[str]) -> str:
    """Return lines of nginx's `geo` with the value 1."""
    return "".join(f"{network} 1;\n" for network in networks)
