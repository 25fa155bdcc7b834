from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from estiba.errors import CommandError, ResolutionError
from estiba.lock.debian import closure
from estiba.lock.debian.apt import AptRoot
from estiba.lock.debian.request import Request
from estiba.process import Completed
from estiba.service.postgresql import PostgreSQL

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

PARAGRAPH = """\
Package: {name}
Source: src-{name} (2-1)
Version: {version}
Architecture: {arch}
{more}Size: 10
SHA256: {sha}

"""


class FakeApt:
    """Answers `apt-get --simulate` and `apt-cache show` from a small archive."""

    def __init__(self, installs: dict[str, str], more: dict[str, str]) -> None:
        self._installs = installs
        self._more = more
        self.fail_once = False
        self.calls: list[list[str]] = []

    def __call__(self, argv: Sequence[str], *, check: bool = True, **_options: object) -> Completed:
        """Answer one command."""
        self.calls.append(list(argv))
        if "show" in argv:
            arch = next(word for word in argv if word.startswith("APT::Architecture=")).split("=")[1]
            text = "".join(self._paragraph(name, arch) for name in self._installs)
            return Completed(argv=tuple(argv), code=0, stdout=text, tail="")
        if self.fail_once:
            self.fail_once = False
            return Completed(argv=tuple(argv), code=100, stdout="", tail="E: no")
        lines = "".join(f"Inst {name} ({version} Debian [x])\n" for name, version in self._installs.items())
        if check and not lines:
            raise CommandError(argv, 1, "")
        return Completed(argv=tuple(argv), code=0, stdout=lines, tail="")

    def _paragraph(self, name: str, arch: str) -> str:
        shown = "all" if name == "tzdata" else arch
        sha = ("a" if shown == "all" else shown[0].replace("m", "c")) * 64
        more = self._more.get(name, "")
        return PARAGRAPH.format(name=name, version=self._installs[name], arch=shown, more=more, sha=sha)


@pytest.fixture
def root(tmp_path: Path) -> AptRoot:
    """Give an empty root."""
    return AptRoot(folder=tmp_path, suite="trixie", pockets=("main",))


def request(*platforms: str) -> Request:
    """Make a request."""
    return Request(python="3.13", suite="trixie", platforms=platforms, service=("libpq5",))


def test_same_packages_are_resolved_once(root: AptRoot) -> None:
    """A service without packages of its own has those of the base, which apt is not asked for again."""
    apt = FakeApt({"libc6": "2.41-1"}, {})
    wanted = Request(python="3.13", suite="trixie", platforms=("x86_64-linux",), service=())
    found, _ = closure.resolve(root, wanted, groups=["base", "service"], runner=apt)

    assert [deb.groups for deb in found] == [("base",)]
    assert ["--simulate" in call for call in apt.calls] == [True, False]


def test_records_of_one_file_are_joined(root: AptRoot) -> None:
    """A package for all architectures is locked once, others once for each; epochs are written as apt does."""
    apt = FakeApt({"libc6": "1:2.41-1", "tzdata": "2026a"}, {})
    found, gone = closure.resolve(root, request("aarch64-linux", "x86_64-linux"), groups=["base"], runner=apt)

    assert {deb.file: deb.platforms for deb in found} == {
        "libc6_1%3a2.41-1_amd64.deb": ("x86_64-linux",),
        "libc6_1%3a2.41-1_arm64.deb": ("aarch64-linux",),
        "tzdata_2026a_all.deb": ("aarch64-linux", "x86_64-linux"),
    }
    assert gone == []
    assert (found[0].source, found[0].source_version) == ("src-libc6", "2-1")


def test_edges_lead_to_locked_packages_only(root: AptRoot) -> None:
    """Alternatives that are not locked are left out, virtual packages stand for their providers."""
    more = {
        "a": "Pre-Depends: libc6 (>= 2)\nDepends: b | c, awk, debconf (>= 1) | debconf-2.0, a\n",
        "mawk": "Provides: awk\n",
    }
    apt = FakeApt({"a": "1", "b": "1", "mawk": "1", "libc6": "2"}, more)
    found, _ = closure.resolve(root, request("x86_64-linux"), groups=["base"], runner=apt)

    assert {deb.name: deb.depends for deb in found}["a"] == ("b", "libc6", "mawk")


def test_service_holds_what_base_lacks(root: AptRoot) -> None:
    """A package of the base is not the service's too; build and check count for themselves."""
    apt = FakeApt({"libc6": "2"}, {})
    found, _ = closure.resolve(root, request("x86_64-linux"), groups=["base", "service", "check"], runner=apt)

    assert found[0].groups == ("base", "check")


def test_kept_versions_are_pinned_and_gone_ones_told(root: AptRoot) -> None:
    """It tells apt to prefer what is locked; what it then cannot have is reported."""
    apt = FakeApt({"libc6": "2.41-2"}, {})
    (old,) = closure.resolve(root, request("x86_64-linux"), groups=["base"], runner=FakeApt({"libc6": "2.41-1"}, {}))[0]
    root.lists.mkdir()
    (root.lists / "mirror_InRelease").write_text("Date: later")
    _, gone = closure.resolve(root, request("x86_64-linux"), groups=["base"], keep=[old], runner=apt)

    assert gone == ["libc6 2.41-1"]
    assert (
        root.state("amd64", "scripts") / "preferences"
    ).read_text() == "Package: libc6\nPin: version 2.41-1\nPin-Priority: 1001\n"


def test_without_a_way_all_packages_are_real(root: AptRoot) -> None:
    """Where presenting some as installed leaves no way, apt is asked again without that."""
    apt = FakeApt({"libc6": "2"}, {})
    apt.fail_once = True
    closure.resolve(root, request("x86_64-linux"), groups=["base"], runner=apt)

    statuses = [word for call in apt.calls for word in call if word.startswith("Dir::State::Status=")]
    assert [status.rsplit("/", 2)[1] for status in statuses] == ["amd64-scripts", "amd64-none", "amd64-none"]


@pytest.mark.parametrize("group", ["build", "prepare"])
def test_roots_of_builds_hold_essential_packages(root: AptRoot, group: str) -> None:
    """Packages count on them without a dependency, so none is only presented as installed there."""
    apt = FakeApt({"libc6": "2", "perl-base": "5"}, {})
    wanted = Request(python="3.13", suite="trixie", platforms=("x86_64-linux",), service=(), build=("libpq-dev",))
    closure.resolve(root, wanted, groups=[group], runner=apt)

    asked = apt.calls[0]
    assert "?and(?essential,?not(?exact-name(apt)))" in asked
    assert ("build-essential" in asked) == (group == "build")
    assert f"Dir::State::Status={root.folder}/amd64-none/status" in asked


@pytest.mark.parametrize(
    ("suite", "chosen", "expected"),
    [
        ("trixie", PostgreSQL(), ("nginx", "postgresql-17", "redis-server")),
        ("forky", PostgreSQL(), ("nginx", "postgresql", "redis-server")),
        (
            "trixie",
            PostgreSQL(version="18", packages=("postgresql-18-pgvector",)),
            ("nginx", "postgresql-18", "redis-server", "postgresql-18-pgvector"),
        ),
    ],
)
def test_servers_have_the_chosen_postgresql(suite: str, chosen: PostgreSQL, expected: tuple[str, ...]) -> None:
    """Extensions are packages of the servers, and never of the image."""
    wanted = Request(python="3.13", suite=suite, platforms=(), service=(), postgresql=chosen)

    assert wanted.names("check")[-len(expected) :] == expected
    assert not set(expected) & {*wanted.names("service"), *wanted.names("build")}


def test_packages_asked_for_are_never_only_presented(root: AptRoot) -> None:
    """A service that asks for openssl gets it."""
    apt = FakeApt({"libc6": "2"}, {})
    wanted = Request(python="3.13", suite="trixie", platforms=("x86_64-linux",), service=("openssl",))
    closure.resolve(root, wanted, groups=["service"], runner=apt)

    status = (root.state("amd64", "scripts") / "status").read_text()
    assert "Package: openssl\n" not in status
    assert "Package: debconf\nStatus: install ok installed\n" in status


def test_a_package_without_hash_is_an_error(root: AptRoot) -> None:
    """Nothing goes into a lock without a hash."""
    apt = FakeApt({"libc6": "2"}, {})
    apt._paragraph = lambda *_: ""  # type: ignore[method-assign]
    with pytest.raises(ResolutionError, match="have no SHA-256 for libc6"):
        closure.resolve(root, request("x86_64-linux"), groups=["base"], runner=apt)


def test_the_same_question_is_asked_once(root: AptRoot) -> None:
    """By the same lists the answer is the same, also when it is told to keep what it chose itself."""
    apt = FakeApt({"libc6": "2"}, {})
    first, _ = closure.resolve(root, request("x86_64-linux"), groups=["base"], runner=apt)
    count = len(apt.calls)

    assert closure.resolve(root, request("x86_64-linux"), groups=["base"], runner=apt) == (first, [])
    assert closure.resolve(root, request("x86_64-linux"), groups=["base"], keep=first, runner=apt) == (first, [])
    assert len(apt.calls) == count


def test_new_lists_are_asked_anew(root: AptRoot) -> None:
    """What a mirror has newly published counts."""
    apt = FakeApt({"libc6": "2"}, {})
    closure.resolve(root, request("x86_64-linux"), groups=["base"], runner=apt)
    count = len(apt.calls)
    root.lists.mkdir()
    (root.lists / "mirror_InRelease").write_text("Date: later")
    closure.resolve(root, request("x86_64-linux"), groups=["base"], runner=apt)

    assert len(apt.calls) == 2 * count


def test_what_is_only_presented_is_not_pinned(root: AptRoot) -> None:
    """A package that another group holds for real stays presented as installed in the groups that can do without."""
    apt = FakeApt({"libc6": "2", "perl-base": "5"}, {})
    found, _ = closure.resolve(root, request("x86_64-linux"), groups=["base"], runner=apt)
    root.lists.mkdir()
    (root.lists / "mirror_InRelease").write_text("Date: later")
    closure.resolve(root, request("x86_64-linux"), groups=["base"], keep=found, runner=apt)

    assert "perl-base" not in (root.state("amd64", "scripts") / "preferences").read_text()
