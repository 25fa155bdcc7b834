from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from estiba.digest import Digest
from estiba.nix.store_path import fixed_output, store_name

EXAMPLES = json.loads((Path(__file__).parents[2] / "nix" / "store-names.json").read_text())
"""The Nix library is tested with the same ones."""


@pytest.mark.parametrize(("file_name", "expected"), EXAMPLES.items())
def test_store_name_replaces_what_nix_refuses(file_name: str, expected: str) -> None:
    """Letters, digits and `+-._?=` stay; any other byte, and a leading dot, becomes an underscore."""
    assert store_name(file_name) == expected


def test_fixed_output_is_where_nix_puts_the_file() -> None:
    """Recorded with `printf hello > hello.txt; nix-store --add-fixed sha256 hello.txt` (Nix 2.26.3)."""
    path = fixed_output("hello.txt", Digest.of_bytes(b"hello"))

    assert path == "/nix/store/iixxin28s82lrxs8v4lcf7nha2dkwprm-hello.txt"


def test_fixed_output_of_a_sha512() -> None:
    """Recorded with `nix-store --print-fixed-path sha512 <SHA-512 of "hello"> hello.txt` (Nix 2.26.3)."""
    path = fixed_output("hello.txt", f"sha512:{hashlib.sha512(b'hello').hexdigest()}")

    assert path == "/nix/store/8wyqp5vyydvckami85sghchxjldmk33b-hello.txt"
