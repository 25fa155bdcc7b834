from __future__ import annotations

import platform

from estiba.lock.python import pip_indexes

INDEXES = [
    {"name": "a", "url": "https://a", "rank": "first", "projects": ()},
    {"name": "b", "url": "https://b", "rank": "last", "projects": ()},
    {"name": "c", "url": "https://c", "rank": "only", "projects": ("crane", "harbour-*")},
]


def plan(project: str) -> list[list[str]]:
    """Return the groups of indexes that are asked for a project."""
    return list(pip_indexes.plan(project, INDEXES, ["https://main", "https://extra"], withheld=["own"]))


def test_indexes_are_asked_one_after_another() -> None:
    """A project is looked for in the order of its ranks; one that belongs to an index is looked for there alone."""
    assert plan("django") == [["https://a"], ["https://main", "https://extra"], ["https://b"]]
    assert plan("crane") == plan("harbour-tools") == [["https://c"]]


def test_withheld_names_are_asked_for_nowhere() -> None:
    """The service's own name, and those of its packages, go to no index."""
    assert plan("own") == [[]]


def test_addresses_are_compared_without_credentials() -> None:
    """Who asks, and a slash at the end, make no other index."""
    assert pip_indexes.key("https://me:secret@Example.org:8443/simple/") == pip_indexes.key(
        "https://example.org:8443/simple"
    )


def test_public_index_has_a_former_address() -> None:
    """What pipenv wrote for years needs no setting of pip's."""
    public = "https://index.org/simple"

    assert pip_indexes.is_public("https://index.org/simple/", public)
    assert pip_indexes.is_public("https://index.python.org/simple", public)
    assert not pip_indexes.is_public("https://index.example.org/simple", public)


def test_wheels_that_cannot_be_used_say_what_for() -> None:
    """Where one is for this platform, its Python is named, else the systems; a version that can be used is none."""
    machine = platform.machine()
    files = [
        "lib-1.0-cp38-cp38-win_amd64.whl",
        f"lib-1.0-cp38-cp38-manylinux_2_17_{machine}.manylinux2014_{machine}.whl",
        "lib-2.0-1-cp39-none-macosx_11_0_arm64.whl",
        "lib-3.0-cp39-cp39-any.whl",
    ]

    assert pip_indexes.describe_wheels(files, {"3.0"}) == [
        "1.0 has wheels for cp38 alone",
        "2.0 has wheels for macosx_11_0_arm64 alone",
    ]
