"""An image that travels through a binary cache to a machine with an empty store."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from tests.services import harbour
from tests.services.stores import Machine, built_in, discard

from estiba import config
from estiba.cache import contents
from estiba.cache.address import Address

if TYPE_CHECKING:
    from collections.abc import Iterator

OF_THE_APPLICATION: Final = {
    "application",
    "image",
    "sbom-aarch64-linux",
    "sbom-x86_64-linux",
}
"""What a changed line of a service builds anew, at most."""


@pytest.fixture(autouse=True)
def _own_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what Nix remembers of caches apart, as each test starts with another one."""
    monkeypatch.setenv("ESTIBA_CACHE_DIR", str(config.load().cache_dir))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "memory"))


@pytest.fixture
def folder(tmp_path: Path) -> Address:
    """Return the address of a cache in a folder that does not exist yet."""
    return Address.parse(str(tmp_path / "cache"))


def archives(address: Address) -> list[Path]:
    """Return the archives of a cache in a folder, largest first."""
    assert address.folder
    return sorted((address.folder / "nar").iterdir(), key=lambda file: -file.stat().st_size)


@pytest.fixture
def built(harbour: Path, tmp_path: Path) -> Path:
    """Return a copy of the service with its image built."""
    service = tmp_path / "here" / harbour.name
    shutil.copytree(harbour, service, symlinks=True, ignore=shutil.ignore_patterns(".estiba"))
    invoke(service, "build")
    return service


def invoke(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a task that must succeed."""
    return harbour.invoke(folder, *words)


@pytest.fixture
def machine(built: Path, tmp_path: Path) -> Iterator[Machine]:
    """Return another machine with the same commit."""
    other = Machine(tmp_path / "there", built)
    yield other
    discard(other.store)


def result(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """Return the JSON object that a task printed."""
    assert done.stdout, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_image_comes_out_of_the_cache(built: Path, machine: Machine, tmp_path: Path) -> None:
    """With an empty store, the cache and the lock, nothing is built and nothing fetched, and the image is the same."""
    folder, secret = tmp_path / "a cache", str(tmp_path / "team.key")
    public = invoke(built, "cache.keygen", "--name", "team-1", "--file", secret).stdout.strip()
    sent = result(invoke(built, "cache.push", str(folder), "--key", secret, "--json"))
    used = machine.invoke("cache.use", str(folder), "--public-key", public, "--json")

    there = machine.invoke("build", "--json")

    assert result(used)["changed"] is True
    assert there.returncode == 0, there.stderr
    assert machine.digest(result(there)["path"]) == result(invoke(built, "build", "--json"))["digest"]
    assert (built_in(machine.store), machine.locked_files()) == ([], [])
    assert len(sent["paths"]) == len(list(folder.glob("*.narinfo")))
    assert "warning" not in there.stderr
    further = machine.invoke("cache.push", str(tmp_path / "further"), "--key", secret, "--inputs")
    assert further.returncode
    assert "inputs of the build are not on this machine" in further.stderr
    assert not (tmp_path / "further").exists()


def test_changed_line_needs_no_registry(built: Path, machine: Machine, folder: Address, tmp_path: Path) -> None:
    """With the inputs in the cache too, another machine builds what changed and fetches nothing."""
    secret = str(tmp_path / "team.key")
    public = invoke(built, "cache.keygen", "--name", "team-1", "--file", secret).stdout.strip()
    invoke(built, "cache.push", str(folder.folder), "--key", secret, "--inputs")
    machine.invoke("cache.use", str(folder.folder), "--public-key", public)
    script = machine.service / "manage.py"
    script.write_text(f"{script.read_text()}\n# A changed line.\n")

    done = machine.invoke("build", "--json")

    assert result(done)["digest"] != result(invoke(built, "build", "--json"))["digest"]
    assert set(built_in(machine.store)) <= OF_THE_APPLICATION
    read_outside_the_shell(machine, result(done))


def read_outside_the_shell(machine: Machine, built: dict[str, Any]) -> None:
    """Show that a result is read where it lies: outside `nix develop` nothing of that store is at /nix/store."""
    again = result(machine.invoke("build", "--json"))
    shown = result(machine.invoke("image.inspect", "--json"))
    deployed = machine.invoke("deploy")

    assert not Path(built["path"]).exists()
    assert {layer["changed"] for layer in again["layers"]} == {False}
    assert shown["digest"] == built["digest"]
    assert deployed.returncode != 0
    assert "Traceback" not in deployed.stderr


def test_damaged_image_is_refused(built: Path, machine: Machine, folder: Address, tmp_path: Path) -> None:
    """A build that needs a damaged archive says so, names the way out, and installs nothing of it."""
    secret = str(tmp_path / "team.key")
    public = invoke(built, "cache.keygen", "--name", "team-1", "--file", secret).stdout.strip()
    invoke(built, "cache.push", str(folder.folder), "--key", secret)
    machine.invoke("cache.use", str(folder.folder), "--public-key", public)
    archives(folder)[0].write_bytes(b"\0" * 4096)

    there = machine.invoke("build")
    seen = machine.invoke("cache.info", str(folder.folder))
    again = invoke(built, "cache.push", str(folder.folder), "--key", secret, "--json")

    assert there.returncode == 22
    assert f"the cache at {folder} is damaged; refused what it sent" in there.stderr
    assert "invoke fetch" in there.stderr
    assert seen.returncode == 1
    assert "its archive has 4096 bytes instead of" in seen.stderr
    assert len(result(again)["repaired"]) == 1
    assert machine.invoke("build").returncode == 0


def test_killed_push_goes_on(built: Path, folder: Address, tmp_path: Path) -> None:
    """After SIGKILL at any moment the cache is whole as far as it goes, and the next push completes it."""
    secret = str(tmp_path / "team.key")
    invoke(built, "cache.keygen", "--name", "team-1", "--file", secret)
    places = {"PYTHONPATH": str(harbour.ROOT / "src"), "TMPDIR": str(tmp_path)}  # where a killed Nix leaves its files
    env = config.load().environment(ESTIBA_FLAKE=harbour.LIBRARY, **places)
    argv = [sys.executable, "-m", "invoke", "cache.push", str(folder.folder), "--key", secret, "--inputs"]
    place = Path(str(folder.folder))
    for enough in (1, 20, 60):
        with subprocess.Popen(argv, cwd=built, env=env, start_new_session=True, stderr=subprocess.DEVNULL) as pushing:
            while len(list(place.glob("*.narinfo"))) < enough and pushing.poll() is None:
                time.sleep(0.005)
            # A fast machine may be done already.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pushing.pid, signal.SIGKILL)
        assert not contents.read(folder, thorough=True).is_damaged

    done = result(invoke(built, "cache.push", str(folder.folder), "--key", secret, "--inputs", "--json"))

    assert done["present"] >= 60
    found = contents.read(folder, thorough=True)
    assert len(found.entries) == done["present"] + len(done["paths"])
    assert not found.is_damaged
