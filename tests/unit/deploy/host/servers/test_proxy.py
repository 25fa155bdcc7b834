from __future__ import annotations

from pathlib import Path

from estiba.deploy.host import settings
from estiba.deploy.host.servers import proxy


def parse(**table: object) -> settings.Settings:
    """Read the settings of a target."""
    return settings.parse("local", table, folder=Path("/srv"), state=Path("/var/lib"))


def test_limits_are_those_of_the_target() -> None:
    """Without settings, nobody is trusted."""
    assert proxy.of_server(parse(), 8000) == (
        "listen 127.0.0.1:8000;\nclient_max_body_size 104857600;\nproxy_read_timeout 60s;\nproxy_send_timeout 60s;\n"
    )
    assert proxy.list_trusted(parse()) == ""


def test_proxies_are_trusted_with_address_and_protocol() -> None:
    """This machine is trusted with the protocol alone, for the smoke tests."""
    found = parse(address="::", **{"trusted-proxies": ["10.0.0.0/8"], "upload-limit": "1GB", "request-limit": 300})

    assert proxy.of_server(found, 80) == (
        "listen [::]:80;\nclient_max_body_size 1073741824;\nproxy_read_timeout 300s;\nproxy_send_timeout 300s;\n"
        "set_real_ip_from 10.0.0.0/8;\nreal_ip_header X-Forwarded-For;\nreal_ip_recursive on;\n"
    )
    assert proxy.list_trusted(found) == "10.0.0.0/8 1;\n127.0.0.1 1;\n::1 1;\n"


def test_service_may_let_nginx_send_files() -> None:
    """An address that visitors cannot ask for leads to a folder of data and no link in it; bodies may be streamed."""
    found = parse(internal={"/internal/": "data", "/a/b/": "/var/lib/site"}, **{"request-buffering": False})

    begin, _, locations = proxy.of_server(found, 8000).partition("proxy_request_buffering off;\n")
    assert begin == proxy.of_server(parse(), 8000)
    assert locations == (
        "location ^~ /a/b/ {\n  internal;\n  alias /srv/folders/var/lib/site/;\n"
        "  disable_symlinks on from=/srv/folders/var/lib/site;\n  add_header X-Content-Type-Options nosniff;\n}\n"
        "location ^~ /internal/ {\n  internal;\n  alias /srv/folders/app/data/;\n"
        "  disable_symlinks on from=/srv/folders/app/data;\n  add_header X-Content-Type-Options nosniff;\n}\n"
    )


def test_release_of_before_publishes_by_itself() -> None:
    """Its nginx lacks what the locations need; the service answers then."""
    found = parse(internal={"/internal/": "data"}, published={"/*/*.txt": {"folder": "files"}})

    assert proxy.list_folders(found) == ["/app/data", "/app/files"]
    assert "root /srv/published/app/files$published_folder;" in proxy.of_server(found, 8000)
    assert proxy.of_server(found, 8000, has_published=False) == proxy.of_server(
        parse(internal={"/internal/": "data"}), 8000
    )
