from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any

import pytest
from tests.recording import RecordingRunner

from estiba.lock.debian import contents
from estiba.lock.debian.apt import AptRoot
from estiba.process import run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from estiba.process import Completed

INDEX = """\
etc/libpq.so.5 admin/odd
usr/lib/x86_64-linux-gnu/libpq.so.5 libs/libpq5
usr/lib/x86_64-linux-gnu/blas/libblas.so.3 libs/libblas3
usr/lib/x86_64-linux-gnu/openblas-pthread/libblas.so.3 libs/libopenblas0-pthread,contrib/libs/odd
usr/lib/python3/dist-packages/x/libblas.so.3 python/x
"""


def find(folder: Path, suite: str, *names: str) -> dict[str, list[str]] | None:
    """Look libraries up where apt has brought the index of one suite."""
    lists = folder / "contents"
    lists.mkdir()
    with gzip.open(lists / f"mirror.example_debian_dists_{suite}_main_Contents-amd64.gz", "wt") as file:
        file.write(INDEX)
    apt = RecordingRunner(100)

    def runner(argv: Sequence[str], **options: Any) -> Completed:  # noqa: ANN401 - those of `run`
        return run(argv, **options) if argv[0] == "zgrep" else apt(argv, **options)

    root = AptRoot(folder=folder, suite="trixie", pockets=("main", "security"))
    return contents.find_library_packages(root, "x86_64-linux", names, runner=runner)


def test_packages_with_the_library_where_it_is_loaded_from(tmp_path: Path) -> None:
    """Also in a folder of alternatives, the shortest name first; what no package has is not in the result."""
    assert find(tmp_path, "trixie", "libpq.so.5", "libblas.so.3", "libodd.so.1") == {
        "libblas.so.3": ["odd", "libblas3", "libopenblas0-pthread"],
        "libpq.so.5": ["libpq5"],
    }


@pytest.mark.parametrize("suite", ["trixie-security", "trixie-updates"])
def test_index_of_updates_alone_tells_nothing(tmp_path: Path, suite: str) -> None:
    """Without the release's own index it is not known that no package has a library."""
    assert find(tmp_path, suite, "libpq.so.5") is None
