from __future__ import annotations

from typing import Any

import pytest

from estiba.deploy.host.servers import published

NARINFO: dict[str, Any] = {
    "/*/*.narinfo": {"folder": "data", "rights": "/api/rights/", "type": "text/x-nix-narinfo", "cache": "max-age=9"}
}


def test_nothing_is_published_unasked() -> None:
    """Without the setting nginx has neither locations nor a memory of rights."""
    assert published.of_http(()) == published.of_server((), {}) == ""


def test_public_files_need_no_memory_of_rights() -> None:
    """Where there is nothing to ask for, each file is everybody's or the service's."""
    found = published.parse({"/*/report-*.pdf": {"folder": "/var/lib/site"}})

    assert published.of_http(found) == ""
    assert published.of_server(found, {"/var/lib/site": "/srv/site"}) == (
        'location ~ "^/(?<published_part>[A-Za-z0-9._+=-]+)/report\\-[A-Za-z0-9._+=-]+\\.pdf$" {\n'
        "  set $published_rights service;\n  root /srv/site$published_folder;\n  types { }\n"
        "  default_type application/octet-stream;\n  etag on;\n  if_modified_since exact;\n  gzip_static off;\n"
        '  add_header X-Content-Type-Options nosniff;\n  add_header Cache-Control "public, no-cache";\n'
        "  access_log /proc/self/fd/1 json buffer=4k flush=1s;\n"
        "  log_not_found off;\n  recursive_error_pages on;\n  error_page 403 404 405 = @$published_next;\n}\n"
    )


def test_readers_are_looked_up() -> None:
    """The service is asked with the visitor's token, about the first part of an address, and says what it refuses."""
    found = published.parse(NARINFO)

    assert "keys_zone=rights:" in published.of_http(found)
    everybody, _, rest = published.of_server(found, {"/app/data": "/srv/data"}).partition("location @rights0 {\n")
    assert "set $published_rights rights0;\n" in everybody
    readers, _, rest = rest.partition("location @public-rights0 {\n  root /srv/data/public;\n")
    also, _, asking = rest.partition("location = /.estiba-rights0 {\n")
    assert readers.startswith("  root /srv/data/private;\n")
    assert "auth_request /.estiba-rights0;\n  error_page 401 403 405 500 = @service;\n" in readers
    assert "error_page 404 = @public-rights0;\n" in readers
    assert "error_page 403 404 405 = @service;\n" in also
    assert all('add_header Cache-Control "private, max-age=9";\n' in one for one in (readers, also))
    assert asking.startswith("  internal;\n  proxy_pass http://service/api/rights/$published_part;\n")
    assert 'proxy_cache_key "rights0:$published_part:$http_authorization";\n' in asking


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ({"/a/*.txt": {"folder": "data"}}, "'published' has '/a/*.txt', not an address such as '/*/*.txt'"),
        ({'/*/x" {': {"folder": "data"}}, "'published' has '/*/x\" {', not an address such as '/*/*.txt'"),
        ({"/*/*.txt": "data"}, "'published' of '/*/*.txt' must be a table with 'folder'"),
        ({"/*/*.txt": {}}, "'published' of '/*/*.txt' must be a table with 'folder'"),
        (
            {"/*/*.txt": {"folder": "../data"}},
            "'published' of '/*/*.txt' has folder = '../data'; folder is a folder of 'persist', such as 'data'",
        ),
        (
            {"/*/*.txt": {"folder": "data", "rights": "/;/"}},
            "'published' of '/*/*.txt' has rights = '/;/'; rights is an address of the service, such as '/api/rights/'",
        ),
        (
            {"/*/*.txt": {"folder": "data", "kind": "x"}},
            "'published' of '/*/*.txt' has kind = 'x'; known are folder, type, rights, cache",
        ),
        (
            {"/*/*.txt": {"folder": "data", "cache": 'no-cache"; x'}},
            "'published' of '/*/*.txt' has cache = 'no-cache\"; x'; cache is such as 'max-age=3600'",
        ),
    ],
)
def test_what_would_be_other_text_of_nginx_is_refused(table: dict[str, Any], problem: str) -> None:
    """Each word becomes a part of its configuration."""
    assert published.check(table) == [problem]
