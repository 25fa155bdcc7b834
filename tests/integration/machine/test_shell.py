from __future__ import annotations

import platform
import re
from typing import TYPE_CHECKING, Final

import pytest
from tests.services import harbour

from estiba import config
from estiba.nix.store_path import store_name
from estiba.process import run

if TYPE_CHECKING:
    from pathlib import Path

RECORDS: Final = """
root=$1 system=$2 shell=$3 cache=- scratch=- triplet=-
. "$root/nix/bootstrap/tools.sh"
for section in debs distributions; do
  records "$section" "$shell" | cut -d ' ' -f 4
done
"""

STORE: Final = "/nix/store/"


@pytest.fixture
def programs() -> list[str]:
    """Return the store paths that the development shell puts on PATH."""
    folders = config.load().variables["PATH"].split(":")
    found = sorted({folder.removesuffix("/bin") for folder in folders if folder.startswith(STORE)})
    assert found, "these tests run inside ./nixw develop"
    return found


@pytest.mark.parametrize("shell", ["build", "default"])
def test_nixw_fetches_what_nix_builds_from(shell: str) -> None:
    """nixw, which cannot ask Nix before it has one, finds the same packages and wheels in the lock."""
    system = f"{platform.machine()}-linux"
    printed = run(["sh", "-euc", RECORDS, "records", str(harbour.ROOT), system, shell]).stdout

    installable = f"{harbour.ROOT}#packages.{system}.tools-{shell}"
    derivation = run(["nix", "path-info", "--derivation", installable]).stdout.strip()
    inputs = run(["nix-store", "--query", "--requisites", derivation]).stdout
    wanted = set(re.findall(r"/\w{32}-(\S+\.(?:deb|whl))\.drv", inputs))

    fetched = {store_name(file) for file in printed.split()}
    assert wanted
    assert wanted <= fetched
    # The seed's parts and pip for a machine without one are no input; runit belongs to releases.
    more = {name.partition("_")[0] for name in fetched - wanted}
    assert more <= {"bash-static", "busybox-static", "python3-pip-whl", "runit", "runit-helper", "sysuser-helper"}


def test_programs_do_not_change_the_store(programs: list[str]) -> None:
    """Programs that have run, as root too, are what was built: Python keeps its bytecode elsewhere."""
    run(["invoke", "--list"])
    run(["diffoscope", "--version"])

    run(["nix-store", "--verify-path", *programs])


def test_a_shell_leaves_no_folder_behind(tmp_path: Path) -> None:
    """Temporary files go where the machine's do, not to a folder of each shell that nobody removes."""
    # Another Python's library would keep ours from its start.
    env = config.load().environment(TMPDIR=str(tmp_path), PYTHONHOME="/nonexistent")
    ask = ["python", "-c", "import os; print(os.environ['TMPDIR'])"]
    done = run([str(harbour.ROOT / "nixw"), "develop", "--command", *ask], cwd=harbour.ROOT, env=env)

    assert done.stdout.strip() == str(tmp_path)
    assert list(tmp_path.iterdir()) == []
