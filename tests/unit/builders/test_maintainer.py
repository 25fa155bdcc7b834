from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from tests import debfile

import debian_root
import maintainer
from entries import Entries, file, folder, link

STAND_INS = Path(__file__).parents[3] / "nix/build/maintainer"


def run(tmp_path: Path, script: bytes) -> subprocess.CompletedProcess[bytes]:
    """Run a script with the stand-ins, by the machine's own programs."""
    for name in ("dpkg", "dpkg-architecture", "update-alternatives"):
        text = (STAND_INS / maintainer._STAND_INS[name]).read_text().replace("/maintainer/", f"{tmp_path}/")
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    env = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "DPKG_MAINTSCRIPT_ARCH": "arm64",
        "MULTIARCH": "aarch64-linux-gnu",
    }
    return subprocess.run(["bash", "-c", script], env=env, capture_output=True, check=False)


def test_stand_in_notes_calls_word_for_word(tmp_path: Path) -> None:
    """Words may hold blanks and line breaks; questions have no answer and are not noted."""
    run(
        tmp_path,
        b"update-alternatives --install '/a b' 'c\nd' e 1; update-alternatives --query x; update-alternatives --auto x",
    )

    assert maintainer.parse_calls((tmp_path / "calls").read_bytes()) == [
        ["--install", "/a b", "c\nd", "e", "1"],
        ["--auto", "x"],
    ]


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("dpkg --print-architecture", (0, b"arm64\n")),
        ("dpkg-architecture -qDEB_HOST_MULTIARCH", (0, b"aarch64-linux-gnu\n")),
        ("dpkg-architecture -q DEB_HOST_ARCH", (0, b"arm64\n")),
        ("dpkg --compare-versions '' lt 1.0", (0, b"")),
        ("dpkg --compare-versions '' lt-nl 1.0", (1, b"")),
        ("dpkg --compare-versions '' gt 1.0", (1, b"")),
        ("dpkg --listfiles tool", (0, b"")),
    ],
)
def test_stand_in_answers_as_for_a_first_installation(tmp_path: Path, question: str, answer: tuple[int, bytes]) -> None:
    """There was no version of the package before."""
    done = run(tmp_path, question.encode())

    assert (done.returncode, done.stdout) == answer


def test_script_without_alternatives_is_not_run(tmp_path: Path) -> None:
    """Most packages have nothing to register, and then no root is made for them."""
    package = debfile.write(tmp_path / "tool_1.0_amd64.deb", [], postinst=b"#!/bin/sh\nexit 1\n")

    assert maintainer.find_calls([package], Entries(), {}) == {}


def test_upper_layer_has_what_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The link of the lower layer stays in it, and the upper one has it again where its own file is better."""
    low, high = tmp_path / "low.deb", tmp_path / "high.deb"
    layers = {
        "base": Entries({"usr/bin/vi.low": file(b""), "usr/bin/ed.low": file(b"")}),
        "service": Entries({"usr/bin/vi.high": file(b"")}),
    }
    calls = {
        low: [f"--install /usr/bin/{name} {name} /usr/bin/{name}.low 1".split() for name in ("vi", "ed")],
        high: [["--install", "/usr/bin/vi", "vi", "/usr/bin/vi.high", "2"]],
    }
    monkeypatch.setattr(maintainer, "find_calls", lambda *_: calls)
    given = {"maintainer": {}, "layers": {"base": {"debs": [str(low)]}, "service": {"debs": [str(high)]}}}
    debian_root.configure(layers, given)

    assert {path for path, entry in layers["service"].items.items() if entry.target} == {"etc/alternatives/vi"}
    assert layers["base"].items["etc/alternatives/vi"].target == "/usr/bin/vi.low"
    assert layers["base"].items["usr/bin/ed"].target == "/etc/alternatives/ed"


def test_scripts_see_files_and_run_no_program_of_the_packages(tmp_path: Path) -> None:
    """A copy for them has small texts, and programs and large files without content."""
    root = Entries(
        {
            "bin": link("usr/bin"),
            "usr/bin/java": file(b"\x7fELF", executable=True),
            "usr/share/names": file(b"a b\n"),
            "usr/share/icu.dat": file(bytes(70_000)),
            "tmp": folder(),
        }
    )
    tree, places = maintainer._write_tree(root, tmp_path, {"standIns": str(STAND_INS)})

    assert sorted(places) == ["/usr"]
    assert (tree / "bin").readlink() == Path("usr/bin")
    assert (places["/usr"] / "share/names").read_bytes() == b"a b\n"
    assert (places["/usr"] / "share/icu.dat").read_bytes() == b""
    assert (places["/usr"] / "bin/java").read_bytes() == b""
    assert (places["/usr"] / "bin/update-alternatives").readlink() == Path("/maintainer/bin/update-alternatives")
