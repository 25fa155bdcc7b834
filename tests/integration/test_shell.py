from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
from tests.services import harbour

from estiba import config
from estiba.process import run

if TYPE_CHECKING:
    from pathlib import Path

STORE: Final = "/nix/store/"


@pytest.fixture
def programs() -> list[str]:
    """Return the store paths that the development shell puts on PATH."""
    folders = config.load().variables["PATH"].split(":")
    found = sorted({folder.removesuffix("/bin") for folder in folders if folder.startswith(STORE)})
    assert found, "these tests run inside ./nixw develop"
    return found


def test_programs_do_not_change_the_store(programs: list[str]) -> None:
    """Programs that have run, as root too, are what was built: Python keeps its bytecode elsewhere."""
    run(["invoke", "--list"])

    run(["nix-store", "--verify-path", *programs])


def test_a_shell_leaves_no_folder_behind(tmp_path: Path) -> None:
    """Temporary files go where the machine's do, not to a folder of each shell that nobody removes."""
    env = config.load().environment(TMPDIR=str(tmp_path))
    done = run([str(harbour.ROOT / "nixw"), "develop", "--command", "printenv", "TMPDIR"], cwd=harbour.ROOT, env=env)

    assert done.stdout.strip() == str(tmp_path)
    assert list(tmp_path.iterdir()) == []
