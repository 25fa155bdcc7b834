from __future__ import annotations

import pytest

from estiba import tasks
from estiba.tasks.collection import load

EVERYTHING = set(load(tasks.__name__, list(tasks.__path__)).collections)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], EVERYTHING),
        (["build"], {"build"}),
        (["build.verify", "--json"], {"build"}),
        (["lock", "--project", "shop", "fetch"], {"lock", "fetch"}),
        (["--help", "cache.push"], {"cache"}),
        (["--list"], EVERYTHING),
        (["lint"], EVERYTHING),
        (["--search-root", "shop", "build"], EVERYTHING),
    ],
    ids=" ".join,
)
def test_only_named_tasks_are_imported(words: list[str], expected: set[str]) -> None:
    """A command pays for what it uses; whatever is unclear has all tasks."""
    assert set(load(tasks.__name__, list(tasks.__path__), words).collections) == expected
