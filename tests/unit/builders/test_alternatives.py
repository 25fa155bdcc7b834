from __future__ import annotations

import pytest

import alternatives
from entries import Entries, file, folder, link

BLAS = ["--install", "/usr/lib/x/libblas.so.3", "libblas.so.3-x", "/usr/lib/x/blas/libblas.so.3", "10"]
OPENBLAS = [*BLAS[:3], "/usr/lib/x/openblas/libblas.so.3", "100"]


def root(*paths: str) -> Entries:
    """Make a merged-usr root with some files."""
    return Entries({"bin": link("usr/bin"), "usr": folder(), **{path: file(b"") for path in paths}})


def links(calls: list[list[str]], *paths: str) -> dict[str, str | None]:
    """Return the links that calls make in a root with some files."""
    return {path: entry.target for path, entry in alternatives.make_links(calls, root(*paths)).items.items()}


def test_highest_priority_wins() -> None:
    """The link leads to the alternative's name in /etc, and that to the best file, whatever was registered first."""
    both = ("usr/lib/x/blas/libblas.so.3", "usr/lib/x/openblas/libblas.so.3")
    expected = {
        "etc/alternatives/libblas.so.3-x": "/usr/lib/x/openblas/libblas.so.3",
        "usr/lib/x/libblas.so.3": "/etc/alternatives/libblas.so.3-x",
    }

    assert links([BLAS, OPENBLAS], *both) == expected
    assert links([OPENBLAS, BLAS], *both) == expected
    assert links([BLAS], *both)["etc/alternatives/libblas.so.3-x"] == "/usr/lib/x/blas/libblas.so.3"


def test_only_what_is_there_is_linked() -> None:
    """A file that was left out, such as a manual page, has no link, and neither has what goes with a missing file."""
    words = "--install /bin/pager pager /bin/less 77 --slave /usr/share/man/pager.1 pager.1 /usr/share/man/less.1"
    more = " --follower /usr/bin/lesskey-of-pager lesskey /usr/bin/lesskey"

    assert links([(words + more).split()], "usr/bin/less", "usr/bin/lesskey") == {
        "etc/alternatives/lesskey": "/usr/bin/lesskey",
        "etc/alternatives/pager": "/bin/less",
        "usr/bin/lesskey-of-pager": "/etc/alternatives/lesskey",
        "usr/bin/pager": "/etc/alternatives/pager",
    }
    assert links([words.split()], "usr/bin/more") == {}


def test_file_is_never_replaced_by_a_link() -> None:
    """As update-alternatives does not without --force."""
    assert links([BLAS], "usr/lib/x/blas/libblas.so.3", "usr/lib/x/libblas.so.3") == {}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("--remove libblas.so.3-x /usr/lib/x/openblas/libblas.so.3", "blas"),
        ("--quiet --set libblas.so.3-x /usr/lib/x/blas/libblas.so.3", "blas"),
        ("--log /dev/null --auto libblas.so.3-x", "openblas"),
        ("--remove-all libblas.so.3-y", "openblas"),
    ],
)
def test_later_calls_count(words: str, expected: str) -> None:
    """A package may take back or choose what others have registered."""
    both = ("usr/lib/x/blas/libblas.so.3", "usr/lib/x/openblas/libblas.so.3")

    made = links([BLAS, OPENBLAS, words.split()], *both)
    assert made["etc/alternatives/libblas.so.3-x"] == f"/usr/lib/x/{expected}/libblas.so.3"
