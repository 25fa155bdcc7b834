"""Archives beside Debian's own: of a vendor, with its own key, and of another release."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from tests import debfile
from tests.debfile import Member
from tests.services import archive, harbour, rootfs
from tests.services import debian as debian_packages
from tests.services.archive import Archive
from tests.services.locking import load, refuse, require

import debian
import expansion

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def shipyard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Archive, str]]:
    """Serve an archive with one package."""
    # A short name: the sockets of gpg-agent are in it.
    made = Archive(tmp_path_factory.mktemp("a"))
    made.publish("ropes", [Member(path="./usr/share/ropes/length", content=b"12 fathoms\n")])
    with archive.serve(made) as uri:
        yield made, uri


@pytest.fixture
def service(tiny: Path) -> Path:
    """Take the requirements of the tiny service down to Django's."""
    require(tiny, "django~=5.2.0", "gunicorn", "whitenoise")
    return tiny


def configure(folder: Path, **settings: str) -> None:
    """Write settings into the service's `[tool.estiba]`, in the place of those that are there."""
    path = folder / "pyproject.toml"
    table, _, rest = path.read_text().partition("[tool.estiba]\n")
    kept = [line for line in rest.splitlines() if line.partition(" =")[0] not in settings]
    written = [f"{key} = {value}" for key, value in settings.items()]
    path.write_text("\n".join([f"{table}[tool.estiba]", *written, *kept, ""]))


def test_package_of_a_vendor_is_locked_and_built(service: Path, shipyard: tuple[Archive, str], tmp_path: Path) -> None:
    """Its key lies in the service's folder; without it apt refuses the archive, and nothing is locked."""
    made, uri = shipyard
    entry = f'uri = "{uri}", suites = ["{archive.SUITE}"]'
    configure(service, debian=f'{{packages = ["ropes"], archives = [{{{entry}}}]}}')
    said = refuse(service, "lock", code=21)
    assert "apt cannot read the package lists of Debian bookworm" in said
    assert "NO_PUBKEY" in said or "not signed" in said

    (service / "keys").mkdir()
    (service / "keys/shipyard.asc").write_text(made.key.read_text())
    configure(service, debian=f'{{packages = ["ropes"], archives = [{{{entry}, signed-by = "keys/shipyard.asc"}}]}}')
    for task in ("lock", "fetch", "build"):
        harbour.invoke(service, task)
    (deb,) = (deb for deb in load(service).debs if deb.name == "ropes")
    assert (deb.version, deb.groups, deb.platforms) == ("1.0", ("service",), ("aarch64-linux", "x86_64-linux"))
    assert uri.removeprefix("http://") not in (service / "estiba.lock").read_text()
    root = rootfs.unpack(harbour.build(service, "default"), tmp_path / "root")
    assert (root.top / "usr/share/ropes/length").read_text() == "12 fathoms\n"


def test_bomb_in_a_package_like_those_of_ubuntu_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As soon as more has come out of zstd than any real package of its size holds."""
    monkeypatch.setattr(expansion, "ALWAYS", 1 << 20)
    monkeypatch.setenv("PATH", str(debian_packages.unpack("zstd") / "usr/bin"))
    path = tmp_path / "hello_1.0_amd64.deb"
    zeros = [Member(path="./usr/zeros", content=bytes(2 << 20))]
    debfile.write(path, zeros, compression="zst", compress=archive.compress)

    with pytest.raises(ValueError, match=r"^hello_1\.0_amd64\.deb has .* unpacks to more than 1,048,576"):
        debian.entries([path])


def test_next_release_of_debian_has_a_newer_python(service: Path, tmp_path: Path) -> None:
    """Python 3.14 chooses it, with its own servers, and that it moves is said."""
    configure(service, python='"3.14"', platforms='["x86_64-linux"]')
    # Mirrors that stand still have lists whose time is over.
    (options := tmp_path / "apt.conf").write_text('Acquire::Check-Valid-Until "false";\n')
    done = harbour.invoke(service, "lock", "--json", APT_CONFIG=str(options))
    assert "Debian forky moves: within days its mirrors lose the versions that are locked" in done.stderr
    assert json.loads(done.stdout)["changed"]
    lock = load(service)
    assert (lock.python, lock.suite) == ("3.14", "forky")
    assert {"postgresql-18", "python3.14"} <= {deb.name for deb in lock.debs}
    for task in ("fetch", "build"):
        harbour.invoke(service, task)
    root = rootfs.unpack(harbour.build(service, "default"), tmp_path / "root")
    assert root.python("import sys; print(*sys.version_info[:2])") == "3 14"


def test_python_of_no_archive_is_told_where_it_is(service: Path) -> None:
    """The error has the two lines that name the archive which has it."""
    path = service / "pyproject.toml"
    path.write_text(path.read_text().replace("[project]\n", '[project]\nrequires-python = "==3.12.*"\n', 1))
    said = refuse(service, "lock", code=78)

    assert "Ubuntu 24.04 (noble) has 3.12" in said
    assert 'debian = {release = "noble", archives = [{name = "ubuntu"}]}' in said
