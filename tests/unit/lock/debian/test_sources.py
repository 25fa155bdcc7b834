from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.recording import RecordingRunner

from estiba.errors import ConfigError
from estiba.lock.debian import sources
from estiba.lock.debian.sources import Source
from estiba.service.debian import Archive, Release

if TYPE_CHECKING:
    from pathlib import Path

DEB822 = """\
Types: deb deb-src
# an old mirror
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By:
 /usr/share/keyrings/a.gpg

Types: deb
URIs: http://mirror.example/debian-security/
Suites: bookworm-security
Components: main

Enabled: no
Types: deb
URIs: http://other.example/debian
Suites: sid
Components: main
"""

LIST = """\
# deb http://off.example/debian sid main
deb [arch=amd64 signed-by=/usr/share/keyrings/b.gpg] http://mirror.example/debian bookworm main contrib
deb-src http://mirror.example/debian bookworm main
deb http://vendor.example/apt stable-vendor main
"""


SNAPSHOTS = """\
Enabled: no
Types: deb
URIs: http://snapshot.example/debian/@SNAPSHOTID@/
Suites: trixie trixie-updates
Components: main contrib
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 x
 -----END PGP PUBLIC KEY BLOCK-----
"""
KEY = "\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n x\n -----END PGP PUBLIC KEY BLOCK-----"


@pytest.fixture
def machine(tmp_path: Path) -> RecordingRunner:
    """Make the apt configuration of a machine, with an archive that its own apt does not use."""
    (tmp_path / "sources.list").write_text(LIST)
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "debian.sources").write_text(DEB822)
    (tmp_path / "parts" / "snapshots.sources").write_text(SNAPSHOTS)
    return RecordingRunner(f"LIST='{tmp_path}/sources.list'\nPARTS='{tmp_path}/parts/'\n")


def release(folder: Path, *archives: Archive, suite: str = "trixie", snapshot: str = "") -> Release:
    """Make a release of all pockets."""
    pockets = ("main", "updates", "security")
    return Release(folder=folder, suite=suite, pockets=pockets, archives=archives, snapshot=snapshot)


def test_deb822_entries() -> None:
    """Every suite of every enabled binary entry is a source."""
    assert sources.parse(DEB822, deb822=True) == [
        Source(uri="http://mirror.example/debian", suite="bookworm", signed_by="/usr/share/keyrings/a.gpg"),
        Source(uri="http://mirror.example/debian", suite="bookworm-updates", signed_by="/usr/share/keyrings/a.gpg"),
        Source(uri="http://mirror.example/debian-security/", suite="bookworm-security"),
    ]


def test_list_lines() -> None:
    """The one-line form, with its options."""
    assert sources.parse(LIST, deb822=False) == [
        Source(
            uri="http://mirror.example/debian",
            suite="bookworm",
            components=("main", "contrib"),
            signed_by="/usr/share/keyrings/b.gpg",
        ),
        Source(uri="http://vendor.example/apt", suite="stable-vendor"),
    ]


def test_key_in_a_file_stays_in_it() -> None:
    """A key that is written into a file is written again as it is, with the lines of which it is made."""
    (source, _) = sources.parse(SNAPSHOTS, deb822=True, disabled=True)

    assert source.signed_by == KEY
    plain = replace(source, uri="http://mirror.example/debian")
    assert sources.parse(sources.render([plain]), deb822=True) == [plain]
    assert sources.parse(SNAPSHOTS, deb822=True) == []


def test_pockets_have_the_mirrors_of_another_release(tmp_path: Path, machine: RecordingRunner) -> None:
    """The machine's mirrors and keys, with the suites of the release that is locked."""
    text = sources.render(sources.choose(release(tmp_path), runner=machine))

    assert [line for line in text.splitlines() if line.startswith(("URIs", "Suites"))] == [
        "URIs: http://mirror.example/debian",
        "Suites: trixie",
        "URIs: http://mirror.example/debian-security/",
        "Suites: trixie-security",
        "URIs: http://mirror.example/debian",
        "Suites: trixie-updates",
    ]
    assert "Components: main\nSigned-By: /usr/share/keyrings/b.gpg\n" in text
    assert machine.calls == [
        ["apt-config", "shell", "LIST", "Dir::Etc::SourceList/f", "PARTS", "Dir::Etc::SourceParts/d"]
    ]


def test_security_lies_beside_main_by_default(tmp_path: Path) -> None:
    """A machine with the main archive only gets security updates from the same mirror."""
    (tmp_path / "own.list").write_text("deb http://m.example/debian/ sid main\n")
    found = sources.choose(release(tmp_path), tmp_path / "own.list")

    assert ("http://m.example/debian-security", "trixie-security") in [(one.uri, one.suite) for one in found]


def test_archive_by_name_is_that_of_the_machine(tmp_path: Path, machine: RecordingRunner) -> None:
    """An archive that has the release stands in for the mirrors; its snapshot and key go into the file."""
    wanted = release(tmp_path, Archive(name="snapshots"), snapshot="20261101T000000Z")
    found = sources.choose(wanted, runner=machine)

    assert [(one.suite, one.components) for one in found] == [
        ("trixie", ("main", "contrib")),
        ("trixie-updates", ("main", "contrib")),
    ]
    assert sources.render(found, snapshot=wanted.snapshot).partition("\n\n")[0] == (
        "Types: deb\nURIs: http://snapshot.example/debian/20261101T000000Z/\nSuites: trixie\n"
        f"Components: main contrib\nCheck-Valid-Until: no\nSigned-By: {KEY}"
    )
    assert sources.list_pools(found, snapshot=wanted.snapshot) == (
        "http://snapshot.example/debian/20261101T000000Z/pool/main",
        "http://snapshot.example/debian/20261101T000000Z/pool/contrib",
    )


def test_archive_of_a_vendor_comes_beside_the_mirrors(tmp_path: Path, machine: RecordingRunner) -> None:
    """What is set goes before what the machine has, and a keyring lies in the service's folder."""
    (tmp_path / "vendor.asc").write_text("key")
    by_uri = Archive(uri="http://v.example", suites=("trixie-v",), components=("all",), signed_by="vendor.asc")
    found = sources.choose(release(tmp_path, by_uri, Archive(name="sources", suites=("v2",))), runner=machine)

    assert [one.suite for one in found] == ["trixie", "trixie-security", "trixie-updates", "trixie-v", "v2"]
    assert found[3] == Source(
        uri="http://v.example", suite="trixie-v", components=("all",), signed_by=f"{tmp_path}/vendor.asc"
    )
    assert (found[4].uri, found[4].signed_by) == ("http://mirror.example/debian", "/usr/share/keyrings/b.gpg")


@pytest.mark.parametrize(
    ("archive", "snapshot", "message"),
    [
        (Archive(name="ubuntu"), "", "the archive 'ubuntu' is not in this machine's apt configuration"),
        (Archive(name="snapshots", signed_by="k.asc"), "", "'signed-by' is 'k.asc', which is no file of the service"),
        (Archive(name="sources"), "2026", "'snapshot' is '2026', and no archive has @SNAPSHOTID@ in its 'uri'"),
    ],
    ids=["name", "keyring", "snapshot"],
)
def test_what_is_not_there_is_named(
    tmp_path: Path, machine: RecordingRunner, *, archive: Archive, snapshot: str, message: str
) -> None:
    """Each error says which setting it is about."""
    with pytest.raises(ConfigError) as caught:
        sources.choose(release(tmp_path, archive, snapshot=snapshot), runner=machine)

    assert caught.value.problems == (message,)


def test_pools_of_the_mirrors() -> None:
    """Security updates have a pool of their own, and a mirror on this machine is left to apt's own ways."""
    found = sources.parse(DEB822, deb822=True)

    assert sources.list_pools(found) == (
        "http://mirror.example/debian/pool/main",
        "http://mirror.example/debian-security/pool/updates/main",
    )
    assert sources.list_pools([replace(found[0], uri="file:/srv/debian")]) == ()


def test_only_debian_counts(tmp_path: Path) -> None:
    """Vendors' archives are left out; with nothing left the error says what to set."""
    (tmp_path / "vendor.list").write_text("deb http://vendor.example/apt stable-vendor main\n")
    with pytest.raises(ConfigError, match="no Debian mirror among this machine's sources"):
        sources.choose(release(tmp_path), tmp_path / "vendor.list")
