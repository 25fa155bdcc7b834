from __future__ import annotations

import io
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests import wheelfile
from tests.services import harbour, index
from tests.services.locking import LOCK_FILES, copy, load, prepare, refuse, require, snapshot

from estiba import config
from estiba.fetch.plan import artifact_path
from estiba.lock import files
from estiba.lock.python import pins

if TYPE_CHECKING:
    from tests.services.index import RunningIndex


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lock the shop from nothing."""
    folder = prepare(copy("shop", tmp_path_factory.mktemp("lock") / "shop"))
    harbour.invoke(folder, "lock")
    return folder


def test_shop_is_locked_for_both_platforms(shop: Path) -> None:
    """Wheels with extension modules have one file per platform, pure ones one for both."""
    lock = load(shop)
    cffi = [one for one in lock.distributions if one.name == "cffi"]
    django = [one for one in lock.distributions if one.name == "django"]

    assert sorted(one.platforms for one in cffi) == [("aarch64-linux",), ("x86_64-linux",)]
    assert all(one.platforms[0].split("-")[0] in one.file for one in cffi)
    assert [one.platforms for one in django] == [("aarch64-linux", "x86_64-linux")]
    assert {"base", "service", "build", "check"} == {group for deb in lock.debs for group in deb.groups}
    assert {deb.arch for deb in lock.debs} == {"all", "amd64", "arm64"}


def test_what_one_platform_needs_is_marked(shop: Path) -> None:
    """A requirement of x86_64 alone is in the lock for that platform, and pip sees the marker."""
    (crcmod,) = (one for one in load(shop).distributions if one.name == "crcmod")
    (pin,) = (pin for pin in pins.parse((shop / "requirements-lock.txt").read_text()) if pin.name == "crcmod")

    assert crcmod.platforms == ("x86_64-linux",)
    assert pin.marker == 'platform_machine == "x86_64"'


def test_build_requirements_of_sdists_are_locked(shop: Path) -> None:
    """What third-party sdists are built with is pinned and hashed, and only they have it."""
    lock = load(shop)
    sdists = {one.name: one.build for one in lock.distributions if one.kind == "sdist"}
    locked = {f"{one.name}=={one.version}" for one in lock.build_distributions}

    assert sdists.keys() == {"crcmod", "docopt"}
    assert all(any(line.startswith("setuptools==") for line in build) for build in sdists.values())
    assert {line for build in sdists.values() for line in build} == locked
    assert all(not one.build for one in lock.distributions if one.kind == "wheel")


def test_groups_are_runtime_and_dev(shop: Path) -> None:
    """The tests' distributions are in files and groups of their own."""
    groups = {one.name: one.groups for one in load(shop).distributions}
    runtime = {pin.name for pin in pins.parse((shop / "requirements-lock.txt").read_text())}
    dev = {pin.name for pin in pins.parse((shop / "requirements-dev-lock.txt").read_text())}

    assert groups["django"] == ("dev", "runtime")
    assert groups["pytest-django"] == ("dev",)
    assert {"django", "pycparser", "more-itertools"} <= runtime
    assert {"pytest", "coverage"} <= dev
    assert not runtime & dev


def test_no_host_and_no_path_is_written(shop: Path) -> None:
    """Lock files are the same on every machine: no addresses, no folders, no times."""
    for name in LOCK_FILES:
        text = (shop / name).read_text()
        assert "://" not in text
        assert str(shop) not in text
        assert str(config.load().cache_dir) not in text


def test_unchanged_inputs_touch_nothing_and_are_fast(shop: Path) -> None:
    """The second lock leaves bytes and times alone, within 3 s of a processor, whatever else it is busy with."""
    before = snapshot(shop)
    started = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = harbour.invoke(shop, "lock", "--json")
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)

    assert ended.ru_utime + ended.ru_stime - started.ru_utime - started.ru_stime < 3
    assert json.loads(done.stdout)["changed"] is False
    assert snapshot(shop) == before


def test_locking_again_from_nothing_gives_the_same_bytes(shop: Path, tmp_path: Path) -> None:
    """The lock depends on its inputs and on what the indexes offer, not on folders or earlier runs."""
    other = prepare(copy("shop", tmp_path / "elsewhere" / "shop"))
    harbour.invoke(other, "lock")

    assert {name: (other / name).read_text() for name in LOCK_FILES} == {
        name: (shop / name).read_text() for name in LOCK_FILES
    }


def test_plain_pip_installs_from_it(tiny: Path, tmp_path: Path) -> None:
    """Nothing but pip is needed to install what is locked, with every hash checked."""
    target = tmp_path / "installed"
    argv = [sys.executable, "-m", "pip", "install", "--quiet", "--require-hashes", "--no-deps", "--target", str(target)]
    subprocess.run([*argv, "--requirement", str(tiny / "requirements-lock.txt")], check=True)

    assert (target / "django").is_dir()


def test_committed_lock_is_fresh(tiny: Path) -> None:
    """The lock of the tiny service belongs to its requirements."""
    assert "up to date" in harbour.invoke(tiny, "lock.check").stdout


def test_changed_requirements_make_it_stale(tiny: Path) -> None:
    """Any change of what is locked exits with 2; a change of anything else does not."""
    path = tiny / "pyproject.toml"
    path.write_text(path.read_text().replace('version = "0.1.0"', 'version = "0.2.0"'))
    harbour.invoke(tiny, "lock.check")
    path.write_text(path.read_text().replace('"gunicorn"', '"gunicorn>=20"'))

    assert "estiba.lock is stale" in refuse(tiny, "lock.check", code=2)
    assert "hint: invoke lock" in refuse(tiny, "fetch", code=2)


def test_two_at_once(tiny: Path) -> None:
    """The second one gives up at once."""
    with files.exclusive(tiny):
        assert "another invoke lock works on tiny" in refuse(tiny, "lock", code=75)


def test_edited_lock_is_refused(tiny: Path) -> None:
    """A version that somebody changed by hand is named; the lock is not built on."""
    path = tiny / "estiba.lock"
    path.write_text(path.read_text().replace('"name":"django","platforms"', '"name":"djangoo","platforms"'))
    said = refuse(tiny, "lock", code=20)

    assert "edited by hand" in said
    assert "requirements-lock.txt lacks djangoo==" in said


def test_interruption_leaves_the_files_as_before(tiny: Path, running_index: RunningIndex, tmp_path: Path) -> None:
    """Ctrl-C in the middle of resolving changes nothing and leaves nothing behind."""
    require(tiny, "django~=5.1.0")
    before = snapshot(tiny)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    env = config.load().environment(
        ESTIBA_FLAKE=harbour.FLAKE,
        PYTHONPATH=str(harbour.ROOT / "src"),
        TMPDIR=str(scratch),
        PIP_EXTRA_INDEX_URL=running_index.url_with_credentials,
    )
    # However fast the resolver is: it waits here until it is interrupted.
    running_index.answering.clear()
    argv = [sys.executable, "-m", "invoke", "lock"]
    with subprocess.Popen(argv, cwd=tiny, env=env, stderr=subprocess.PIPE, text=True, start_new_session=True) as child:
        assert child.stderr is not None
        assert child.stderr.readline().startswith("lock ...")
        assert running_index.asked.wait(timeout=300)
        os.killpg(child.pid, signal.SIGINT)
        said = child.stderr.read()

    assert child.returncode == 130, said
    assert snapshot(tiny) == before
    assert list(scratch.iterdir()) == []
    assert "Traceback" not in said


def test_requirements_that_conflict_are_named(tiny: Path) -> None:
    """The requirements come first, with who asks for them, then the versions near to those that they name."""
    require(tiny, "django~=5.2.0", "django-rq", "django<5")
    said = refuse(tiny, "lock", code=21)

    assert "no versions fit together for x86_64-linux:\n  - dependencies of pyproject.toml requires django<5\n" in said
    assert "\n  - dependencies of pyproject.toml requires django~=5.2.0\n  - django has 4." in said
    assert "/tmp/" not in said
    assert "help" not in said


def test_conflict_of_dependencies_names_the_chain(
    tiny: Path, running_index: RunningIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A requirement is told with what brings it, and a version that is not there with those that are."""
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", running_index.url_with_credentials)
    for name, needed in {"estiba_bow": "estiba-cargo<1", "estiba_hull": "estiba-bow"}.items():
        wheelfile.write(running_index.folder, name, {}, metadata=f"Requires-Dist: {needed}\n")
    require(tiny, "estiba-hull", "estiba-cargo>=1")
    chain = refuse(tiny, "lock", code=21)
    require(tiny, "estiba-cargo==1.2")
    absent = refuse(tiny, "lock", code=21)

    assert (
        "  - estiba-bow 1.0 (from estiba-hull, from dependencies of pyproject.toml) requires estiba-cargo<1\n" in chain
    )
    assert "  - dependencies of pyproject.toml requires estiba-cargo>=1\n" in chain
    assert "  - estiba-cargo has 1.0\n" in chain
    assert "  - dependencies of pyproject.toml requires estiba-cargo==1.2\n  - estiba-cargo has 1.0\n" in absent
    assert index.PASSWORD not in chain + absent


BACKEND = """
import os, pathlib, socket

def _try():
    for path in {paths!r}:
        try:
            pathlib.Path(path, "left-behind").write_text("here")
        except OSError:
            pass
    try:
        socket.create_connection(("localhost", {port}), 5).close()
    except OSError:
        return
    raise SystemExit("the network is there")

def get_requires_for_build_wheel(config_settings=None):
    _try()
    return []

def prepare_metadata_for_build_wheel(folder, config_settings=None):
    _try()
    made = pathlib.Path(folder, "estiba_keel-1.0.dist-info")
    made.mkdir()
    (made / "METADATA").write_text("Metadata-Version: 2.1\\nName: estiba-keel\\nVersion: 1.0\\n")
    return made.name
"""


def test_build_backend_gets_to_nothing_of_this_machine(
    tiny: Path, running_index: RunningIndex, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It is code of others, which a lock has to run: in the sandbox, without files of this user and the network."""
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", running_index.url_with_credentials)
    paths = [str(tmp_path), str(Path.home()), "/var/tmp"]
    files = {
        "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "keel"\nbackend-path = ["."]\n',
        "keel.py": BACKEND.format(paths=paths, port=running_index.port),
        "PKG-INFO": "Metadata-Version: 2.1\nName: estiba-keel\nVersion: 1.0\n",
    }
    with tarfile.open(running_index.folder / "estiba_keel-1.0.tar.gz", "w:gz") as archive:
        for name, text in files.items():
            header = tarfile.TarInfo(f"estiba_keel-1.0/{name}")
            header.size = len(text.encode())
            archive.addfile(header, io.BytesIO(text.encode()))
    require(tiny, "django~=5.2.0", "gunicorn", "whitenoise", "estiba-keel")

    harbour.invoke(tiny, "lock")

    assert [one.kind for one in load(tiny).distributions if one.name == "estiba-keel"] == ["sdist"]
    assert [path for path in paths if Path(path, "left-behind").exists()] == []


def test_unknown_debian_package(tiny: Path) -> None:
    """Apt's own reason is shown, and the setting that holds the name."""
    path = tiny / "pyproject.toml"
    path.write_text(path.read_text().replace('python = "3.11"', 'python = "3.11"\ndebian = ["libnone9"]'))
    said = refuse(tiny, "lock", code=21)

    assert "Unable to locate package libnone9" in said
    assert "[tool.estiba] debian" in said


def test_sdists_that_a_foreign_platform_would_compile(tiny: Path) -> None:
    """Without a wheel, an extension module is refused for the platform that this machine is not; all in one list."""
    require(tiny, "crcmod", "netifaces")
    said = refuse(tiny, "lock", code=21)

    assert said.count("no wheel for aarch64-linux, and its sdist has extension modules") == 2
    assert "platform_machine == 'x86_64'" in said


def test_pins_stay_until_they_are_upgraded(tiny: Path) -> None:
    """A lock keeps what it has; naming a distribution moves that one alone."""
    require(tiny, "asgiref==3.8.0", "sqlparse==0.5.0")
    harbour.invoke(tiny, "lock")
    require(tiny, "asgiref>=3.8,<3.9", "sqlparse>=0.5,<0.5.2")
    harbour.invoke(tiny, "lock")
    kept = {one.name: one.version for one in load(tiny).distributions}
    preview = json.loads(harbour.invoke(tiny, "lock", "--upgrade-package", "sqlparse", "--dry-run", "--json").stdout)
    done = json.loads(harbour.invoke(tiny, "lock", "--upgrade-package", "sqlparse", "--json").stdout)

    assert kept == {"asgiref": "3.8.0", "sqlparse": "0.5.0"}
    assert preview == done
    assert done["changes"] == ["sqlparse 0.5.0 -> 0.5.1"]
    assert {one.name: one.version for one in load(tiny).distributions} == {"asgiref": "3.8.0", "sqlparse": "0.5.1"}


def test_both_resolvers_write_the_same(tiny: Path, tmp_path: Path) -> None:
    """Uv chooses the same releases with the same markers; its own cache shows which of the two was used."""
    uv_cache = config.load().cache_dir / "uv"
    shutil.rmtree(uv_cache, ignore_errors=True)
    require(tiny, "django~=5.2.0", "jsonschema<4.20", "tzdata; sys_platform == 'linux'")
    other = Path(shutil.copytree(tiny, tmp_path / "other" / "tiny"))
    choose_resolver(other, "uv")
    harbour.invoke(tiny, "lock", "--upgrade")
    assert not uv_cache.exists()
    harbour.invoke(other, "lock", "--upgrade")

    assert uv_cache.exists()
    assert {name: (other / name).read_text() for name in LOCK_FILES[:2]} == {
        name: (tiny / name).read_text() for name in LOCK_FILES[:2]
    }


@pytest.mark.parametrize("resolver", ["pip-tools", "uv"])
def test_private_index_with_credentials(
    tiny: Path, running_index: RunningIndex, monkeypatch: pytest.MonkeyPatch, resolver: str
) -> None:
    """Credentials in pip's configuration are used, and neither printed nor written."""
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", running_index.url_with_credentials)
    require(tiny, "estiba-cargo")
    choose_resolver(tiny, resolver)
    done = harbour.invoke(tiny, "lock")
    written = "".join((tiny / name).read_text() for name in LOCK_FILES if (tiny / name).exists())

    assert [one.file for one in load(tiny).distributions] == ["estiba_cargo-1.0-py3-none-any.whl"]
    assert index.PASSWORD not in done.stdout + done.stderr + written
    assert "localhost" not in written


def test_private_index_with_netrc_and_fetch(
    tiny: Path, running_index: RunningIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A netrc file does as well; a wrong hash is told with both; what is there in part is continued."""
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine localhost login {index.USER} password {index.PASSWORD}\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", running_index.url)
    (wheel,) = running_index.folder.iterdir()
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("estiba_cargo/unique.txt", str(tmp_path))
    require(tiny, "estiba-cargo")
    harbour.invoke(tiny, "lock")
    (cargo,) = load(tiny).distributions
    harbour.invoke(tiny, "fetch")
    (config.load().cache_dir / "artifacts" / cargo.sha256.hex).unlink()

    assert "fetched 0 artifacts" in harbour.invoke(tiny, "fetch").stdout

    forget(tiny)
    running_index.damage.add(wheel.name)
    said = refuse(tiny, "fetch", code=22)
    assert f"{wheel.name}: wrong hash: expected sha256 {cargo.sha256.hex}, got " in said

    running_index.damage.clear()
    partial = config.load().cache_dir / "artifacts" / "partial" / cargo.sha256.hex
    partial.write_bytes(wheel.read_bytes()[:100])
    assert "fetched 1 artifacts" in harbour.invoke(tiny, "fetch").stdout
    assert running_index.ranges == ["bytes=100-"]


def choose_resolver(folder: Path, name: str) -> None:
    """Set `resolver` of a service."""
    path = folder / "pyproject.toml"
    path.write_text(path.read_text().replace("[tool.estiba]", f'[tool.estiba]\nresolver = "{name}"', 1))


def forget(folder: Path) -> None:
    """Delete a service's distributions from the store."""
    from estiba.nix import commands as nix  # noqa: PLC0415 - only where Nix is at hand

    for one in load(folder).distributions:
        nix.delete(Path(artifact_path(one)))


def test_version_that_left_the_mirror(tiny: Path) -> None:
    """Every deb that the mirror has no more is named, with the command that takes the new one."""
    path = tiny / "estiba.lock"
    lock = load(tiny)
    (netbase,) = (deb for deb in lock.debs if deb.name == "netbase")
    old = path.read_text()
    gone = old.replace(netbase.version, "0.1").replace(netbase.sha256.hex, "f" * 64)
    path.write_text(gone)
    said = refuse(tiny, "fetch", code=22)

    assert "no longer has what the lock names:\n  - netbase 0.1 (all)" in said
    assert "invoke lock --upgrade-debian" in said
