"""References name their registry; nothing is assumed."""

from __future__ import annotations

import pytest

from estiba.digest import Digest
from estiba.errors import ImageRefError
from estiba.imageref import ImageRef, is_reference, parse_local

DIGEST = Digest.of_bytes(b"")


@pytest.mark.parametrize(
    "text",
    [
        "registry.example/team/shop",
        "registry.example:5000/shop:1.0",
        "localhost/shop",
        "localhost:5000/a/b__c:V_1",
        f"[::1]:5000/shop@{DIGEST}",
        f"registry.example/shop:1@{DIGEST}",
    ],
)
def test_round_trip(text: str) -> None:
    """What is parsed is written the same way."""
    assert str(ImageRef.parse(text)) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("shop:1.0", "image reference 'shop:1.0' names no registry host"),
        ("team/shop", "image reference 'team/shop' names no registry host"),
        ("", "image reference '' names no registry host"),
        (
            "https://registry.example/shop",
            "image reference 'https://registry.example/shop': 'https:' is not a host name",
        ),
        ("registry.example/Shop", "image reference 'registry.example/Shop': 'Shop' is not a repository name"),
        ("registry.example/shop:", "image reference 'registry.example/shop:': '' is not a tag"),
        ("registry.example/shop@x", "image reference 'registry.example/shop@x': 'x' is not a digest"),
    ],
)
def test_malformed(text: str, message: str) -> None:
    """An error quotes the reference and the part that is wrong, and tells how to write it."""
    with pytest.raises(ImageRefError) as caught:
        ImageRef.parse(text)
    assert caught.value.message == message
    assert caught.value.hint
    assert not is_reference(text)


def test_digest_wins_over_tag() -> None:
    """A registry is asked for the digest where there is one, for `latest` where there is nothing."""
    ref = ImageRef.parse("localhost/shop:1")
    assert (ref.reference, ref.at(DIGEST).reference) == ("1", str(DIGEST))
    assert ImageRef.parse("localhost/shop").reference == "latest"


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),
        ("localhost:5000", True),
        ("127.0.0.1:80", True),
        ("[::1]", True),
        ("localhost.example", False),
    ],
)
def test_loopback(host: str, expected: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """Only this machine's own addresses count as loopback."""
    assert ImageRef(host=host, repository="shop").is_loopback is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("shop", ("shop", "latest")),
        ("shop:1", ("shop", "1")),
        ("team/shop:1", ("team/shop", "1")),
        ("localhost:5000/shop:1", ("localhost:5000/shop", "1")),
    ],
)
def test_local_names(text: str, expected: tuple[str, str]) -> None:
    """An engine takes names without a host."""
    assert parse_local(text) == expected


def test_local_name_with_digest() -> None:
    """An engine takes no digest."""
    with pytest.raises(ImageRefError, match="an engine takes a name and a tag, no digest"):
        parse_local(f"shop@{DIGEST}")
