from __future__ import annotations

import json
from pathlib import Path

import pytest

from estiba.storepath import store_name

EXAMPLES = json.loads((Path(__file__).parents[1] / "nix" / "store-names.json").read_text())
"""The Nix library is tested with the same ones."""


@pytest.mark.parametrize(("file_name", "expected"), EXAMPLES.items())
def test_store_name_replaces_what_nix_refuses(file_name: str, expected: str) -> None:
    """Letters, digits and `+-._?=` stay; any other byte, and a leading dot, becomes an underscore."""
    assert store_name(file_name) == expected
