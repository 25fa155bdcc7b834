from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.recording import RecordingRunner

from estiba.errors import ConfigError
from estiba.lock.debian import sources
from estiba.lock.debian.sources import Source

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


def test_deb822_entries() -> None:
    """Every suite of every enabled binary entry is a source."""
    assert sources.parse(DEB822, deb822=True) == [
        Source(uri="http://mirror.example/debian", suite="bookworm", signed_by="/usr/share/keyrings/a.gpg"),
        Source(uri="http://mirror.example/debian", suite="bookworm-updates", signed_by="/usr/share/keyrings/a.gpg"),
        Source(uri="http://mirror.example/debian-security/", suite="bookworm-security", signed_by=""),
    ]


def test_list_lines() -> None:
    """The one-line form, with its options."""
    assert sources.parse(LIST, deb822=False) == [
        Source(uri="http://mirror.example/debian", suite="bookworm", signed_by="/usr/share/keyrings/b.gpg"),
        Source(uri="http://vendor.example/apt", suite="stable-vendor", signed_by=""),
    ]


def test_embedded_keys_are_left_to_apt() -> None:
    """A key that is written into the file is not taken for a path."""
    text = (
        "Types: deb\nURIs: http://a.example\nSuites: sid\nSigned-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n x\n"
    )

    assert sources.parse(text, deb822=True)[0].signed_by == ""


def test_render_uses_the_mirrors_for_another_release() -> None:
    """The machine's mirrors and keys, with the suites of the release that is locked."""
    text = sources.render(sources.parse(DEB822, deb822=True), suite="trixie", pockets=("main", "updates", "security"))

    assert [line for line in text.splitlines() if line.startswith(("URIs", "Suites"))] == [
        "URIs: http://mirror.example/debian",
        "Suites: trixie",
        "URIs: http://mirror.example/debian",
        "Suites: trixie-updates",
        "URIs: http://mirror.example/debian-security/",
        "Suites: trixie-security",
    ]
    assert "Signed-By: /usr/share/keyrings/a.gpg\n" in text


def test_security_lies_beside_main_by_default() -> None:
    """A machine with the main archive only gets security updates from the same mirror."""
    found = sources.render(
        [Source(uri="http://m.example/debian/", suite="sid", signed_by="k")], suite="trixie", pockets=("security",)
    )

    assert "URIs: http://m.example/debian-security\nSuites: trixie-security" in found


def test_pools_of_the_mirrors() -> None:
    """Security updates have a pool of their own, and a mirror on this machine is left to apt's own ways."""
    found = sources.parse(DEB822, deb822=True)

    assert sources.list_pools(found, pockets=("main", "security", "updates")) == (
        "http://mirror.example/debian/pool/main",
        "http://mirror.example/debian-security/pool/updates/main",
    )
    assert sources.list_pools([replace(found[0], uri="file:/srv/debian")], pockets=("main",)) == ()


def test_only_debian_counts(tmp_path: Path) -> None:
    """Vendors' archives are left out; with nothing left the error says what to set."""
    (tmp_path / "vendor.list").write_text("deb http://vendor.example/apt stable-vendor main\n")
    with pytest.raises(ConfigError, match="no Debian mirror among this machine's sources"):
        sources.load(tmp_path / "vendor.list")


def test_the_machines_files_are_found_by_apt(tmp_path: Path) -> None:
    """It is apt itself that says where its configuration lies."""
    (tmp_path / "sources.list").write_text(LIST)
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "debian.sources").write_text(DEB822)
    runner = RecordingRunner(f"LIST='{tmp_path}/sources.list'\nPARTS='{tmp_path}/parts/'\n")

    assert {source.suite for source in sources.load(runner=runner)} == {
        "bookworm",
        "bookworm-updates",
        "bookworm-security",
    }
    assert runner.calls == [
        ["apt-config", "shell", "LIST", "Dir::Etc::SourceList/f", "PARTS", "Dir::Etc::SourceParts/d"]
    ]
