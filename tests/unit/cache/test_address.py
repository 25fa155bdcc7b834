from __future__ import annotations

from pathlib import Path

import pytest

from estiba.cache.address import Address
from estiba.errors import CacheError


@pytest.mark.parametrize("text", ["/srv/nix cache", "file:///srv/nix%20cache", "/srv/other/../nix cache/"])
def test_folder_has_one_url(text: str) -> None:
    """However a folder is written, its URL is the same."""
    address = Address.parse(text)

    assert (address.url, address.folder) == ("file:///srv/nix%20cache", Path("/srv/nix cache"))


def test_relative_folder_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative folder starts at the current one, as Nix needs the whole path."""
    monkeypatch.chdir(tmp_path)

    assert Address.parse("cache").folder == tmp_path / "cache"


def test_server_keeps_its_path() -> None:
    """A server's URL stays as it is, without the last slash."""
    address = Address.parse("https://example.org:8443/team/")

    assert (str(address), address.folder) == ("https://example.org:8443/team", None)


@pytest.mark.parametrize("text", ["", " ", "s3://bucket", "https://example.org?priority=1", "ssh://host/store"])
def test_other_addresses_are_refused(text: str) -> None:
    """What is no cache that can be pushed to is refused, with an example of what is."""
    with pytest.raises(CacheError) as caught:
        Address.parse(text)

    assert caught.value.hint == "give a folder, or a URL such as https://cache.example.org"


def test_password_is_refused_and_not_repeated() -> None:
    """A password in the address would end up in logs; the error does not put it there either."""
    with pytest.raises(CacheError) as caught:
        Address.parse("https://grace:s3cret@example.org/team")

    assert "s3cret" not in str(caught.value)
    assert "netrc-file = FILE" in caught.value.hint


def test_parameters_are_quoted() -> None:
    """A file name with any characters survives in the URL of a store."""
    address = Address.parse("http://localhost:8080")

    assert address.store(**{"secret-key": "/a b/&=%.key"}) == "http://localhost:8080?secret-key=/a%20b/%26%3D%25.key"


@pytest.mark.parametrize(
    "text",
    ["https://example.org/\nrequire-sigs = false", "https://example.org/a b", "/srv/a\nb", "https://example.org\t"],
)
def test_address_is_one_word_of_one_line(text: str) -> None:
    """It is written to nix.conf, where a new line would be another setting."""
    with pytest.raises(CacheError, match="has a space or a control character"):
        Address.parse(text)
