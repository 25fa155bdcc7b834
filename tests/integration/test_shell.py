from __future__ import annotations

from typing import Final

import pytest

from estiba.config import environment
from estiba.process import run

STORE: Final = "/nix/store/"


@pytest.fixture
def programs() -> list[str]:
    """Return the store paths that the development shell puts on PATH."""
    folders = environment()["PATH"].split(":")
    found = sorted({folder.removesuffix("/bin") for folder in folders if folder.startswith(STORE)})
    assert found, "these tests run inside ./nixw develop"
    return found


def test_programs_do_not_change_the_store(programs: list[str]) -> None:
    """Programs that have run, as root too, are what was built: Python keeps its bytecode elsewhere."""
    run(["invoke", "--list"])

    run(["nix-store", "--verify-path", *programs])
