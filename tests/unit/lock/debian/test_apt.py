from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.recording import RecordingRunner

from estiba.errors import ResolutionError
from estiba.lock.debian import apt
from estiba.lock.debian.apt import AptRoot

if TYPE_CHECKING:
    from pathlib import Path

SIMULATED = """\
The following NEW packages will be installed:
  libc6 python3.13
Inst libc6 (2.41-12+deb13u4 Debian:13.7/stable [amd64])
Inst python3.13:amd64 (3.13.5-2 Debian:13.7/stable [amd64]) []
Conf libc6 (2.41-12+deb13u4 Debian:13.7/stable [amd64])
"""
"""Recorded with `apt-get -q --simulate install python3.13` (apt 2.6.1), shortened."""

SHOWN = """\
Package: zlib1g
Source: zlib
Version: 1:1.3-2
Depends: libc6 (>= 2.14),
 libx
Size: 88720
SHA256: ff

Package: zlib1g
Version: 1:1.3-1
Size: 88892
SHA256: aa
"""


@pytest.fixture
def root(tmp_path: Path) -> AptRoot:
    """Give a root that no apt has seen."""
    return AptRoot(folder=tmp_path, suite="trixie", pockets=("main",))


def test_simulate_reads_what_would_be_installed(root: AptRoot) -> None:
    """Names without architecture, and versions; the command is exactly this."""
    runner = RecordingRunner(SIMULATED)

    assert apt.simulate(root, "amd64", ["python3.13"], runner=runner) == {
        "libc6": "2.41-12+deb13u4",
        "python3.13": "3.13.5-2",
    }
    assert runner.calls == [["apt-get", *root.options("amd64"), "-q", "--simulate", "install", "python3.13"]]


def test_simulate_reads_replacements(root: AptRoot) -> None:
    """A version that is installed already stands before the new one."""
    runner = RecordingRunner("Inst perl-base [999:0] (5.36.0-7 Debian:12.15/oldstable [arm64])\n")

    assert apt.simulate(root, "arm64", ["perl"], runner=runner) == {"perl-base": "5.36.0-7"}


def test_options_leave_the_network_to_the_machine(root: AptRoot) -> None:
    """Folders, architecture and status are the root's own; of `Acquire` only which lists to read, never how."""
    options = root.options("arm64", "amd64", status="scripts")
    keys = {option.split("=")[0] for option in options[1::2]}

    assert "APT::Architecture=arm64" in options
    assert "APT::Architectures=arm64,amd64" in options
    assert f"Dir::State::Status={root.folder}/arm64-scripts/status" in options
    assert f"Dir::Cache::srcpkgcache={root.folder}/arm64-amd64-lists.bin" in options
    assert not any(
        key.startswith(("Acquire::http", "Acquire::https", "Acquire::Proxy", "Acquire::Retries")) for key in keys
    )


def test_simulate_passes_on_apts_reason(root: AptRoot) -> None:
    """The error holds apt's words and names the setting."""
    with pytest.raises(ResolutionError, match="apt cannot resolve libnone in Debian trixie for amd64") as caught:
        apt.simulate(root, "amd64", ["libnone"], runner=RecordingRunner(100))

    assert "[tool.estiba] debian" in caught.value.hint


def test_show_keeps_exact_versions(root: AptRoot) -> None:
    """Only the pairs that were asked for come back."""
    (found,) = apt.show(root, "amd64", [("zlib1g", "1:1.3-2")], runner=RecordingRunner(SHOWN))

    assert found["SHA256"] == "ff"
    assert found["Depends"] == "libc6 (>= 2.14),\nlibx"


def test_show_of_nothing_runs_nothing(root: AptRoot) -> None:
    """No packages, no command."""
    runner = RecordingRunner()

    assert apt.show(root, "amd64", [], runner=runner) == []
    assert runner.calls == []


def test_update_reuses_fresh_lists(root: AptRoot) -> None:
    """The second update within the hour costs nothing, unless it is forced."""
    runner = RecordingRunner()
    apt.update(root, runner=runner)
    apt.update(root, runner=runner)
    apt.update(root, force=True, runner=runner)

    options = [*root.options("amd64", "arm64"), "-o", "pkgCacheFile::Generate=false"]
    assert runner.calls == [["apt-get", *options, "-q", "--error-on=any", "update"]] * 2


def test_update_that_fails_is_not_remembered(root: AptRoot) -> None:
    """A mirror that was down is asked again next time."""
    with pytest.raises(ResolutionError, match="apt cannot read the package lists of Debian trixie"):
        apt.update(root, runner=RecordingRunner(100))

    runner = RecordingRunner()
    apt.update(root, runner=runner)
    assert len(runner.calls) == 1


def test_pretend_does_not_touch_an_equal_file(root: AptRoot) -> None:
    """Reading everything anew takes apt a second , so the file does not change without need."""
    apt.write_status(root, "amd64", status="scripts", installed="Package: dpkg\n")
    before = (root.state("amd64", "scripts") / "status").stat().st_mtime_ns
    apt.write_status(root, "amd64", status="scripts", installed="Package: dpkg\n")

    assert (root.state("amd64", "scripts") / "status").stat().st_mtime_ns == before
