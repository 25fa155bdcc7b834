"""The Nix library, tested in Nix: `tests/nix/` holds the cases, these tests report them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from estiba.errors import CommandError
from estiba.nix import commands as nix

CASES = Path(__file__).parents[2] / "nix" / "default.nix"


def evaluate(attribute: str) -> Any:  # noqa: ANN401 - whatever the attribute holds
    """Evaluate one attribute of the cases."""
    return nix.evaluate(attribute, options=["--file", str(CASES)])


def test_every_case_holds() -> None:
    """Each expression has its expected value."""
    assert evaluate("failures") == []


def test_every_export_has_a_case() -> None:
    """A function without a case does not enter the library."""
    assert evaluate("untested") == []
    assert evaluate("count") > 0


def test_every_error_teaches() -> None:
    """What must be refused is refused with exactly the message that says what to do."""
    for case, message in evaluate("errors").items():
        with pytest.raises(CommandError) as caught:
            evaluate(f"cases.{case}.expr")

        assert caught.value.tail.splitlines()[-1].strip() == f"error: {message}", case
