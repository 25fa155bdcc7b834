from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from estiba.digest import Digest

if TYPE_CHECKING:
    from pathlib import Path

EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
"""SHA-256 of nothing, from FIPS 180-4's example values."""


def test_oci_notation_round_trips() -> None:
    """Parsing what `str` gives yields the same digest."""
    digest = Digest(EMPTY)

    assert str(digest) == f"sha256:{EMPTY}"
    assert Digest.parse(str(digest)) == digest


def test_sri_notation_is_base64() -> None:
    """Nix gets the digest in base64."""
    assert Digest(EMPTY).sri == "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="


@pytest.mark.parametrize("bad", ["", EMPTY[1:], EMPTY.upper(), f"{EMPTY}0", f"{EMPTY}\n", "g" * 64])
def test_other_digits_are_refused(bad: str) -> None:
    """A digest has exactly 64 lower-case hexadecimal digits."""
    with pytest.raises(ValueError, match="not a SHA-256 digest"):
        Digest(bad)


@pytest.mark.parametrize("bad", [EMPTY, f"md5:{EMPTY}", f"sha256-{EMPTY}", "sha256:"])
def test_other_notations_are_refused(bad: str) -> None:
    """Only `sha256:<hex>` is parsed."""
    with pytest.raises(ValueError, match="not a SHA-256 digest"):
        Digest.parse(bad)


def test_file_and_bytes_agree(tmp_path: Path) -> None:
    """A file larger than one read block hashes as its bytes do."""
    data = b"estiba" * 300_000
    file = tmp_path / "data"
    file.write_bytes(data)

    assert Digest.of_file(file) == Digest.of_bytes(data)
