from __future__ import annotations

from types import ModuleType

import pytest
from invoke import Collection

from estiba import tasks
from estiba.tasks.collection import load


def namespaces(words: list[str]) -> set[str]:
    """Return the namespaces that a command line imports."""
    return {name.partition(".")[0] for name in load(tasks.__name__, list(tasks.__path__), words).task_names}


EVERYTHING = namespaces([])


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
    # A set's order differs between processes, of which the names have to be the same.
    ids=lambda words: " ".join(sorted(words) if isinstance(words, set) else words),
)
def test_only_named_tasks_are_imported(words: list[str], expected: set[str]) -> None:
    """A command pays for what it uses; whatever is unclear has all tasks."""
    assert namespaces(words) == expected


def listing(words: list[str]) -> set[str]:
    """Return what a command line finds: the tasks in the namespaces that it imports."""
    return set(load(tasks.__name__, list(tasks.__path__), words).task_names)


def test_tasks_go_by_what_people_type() -> None:
    """A namespace's own task is there by that name alone, beside those behind a dot."""
    assert listing(["build"]) == {"build", "build.verify"}
    assert listing(["adopt"]) == {"adopt"}
    assert listing(["image.load"]) == {"image.inspect", "image.load", "image.push"}


@pytest.mark.parametrize("name", sorted(listing([])))
def test_every_task_is_found_and_knows_its_name(name: str) -> None:
    """Help and errors say what people type."""
    assert load(tasks.__name__, list(tasks.__path__))[name].full_name == name


def test_tasks_survive_invoke() -> None:
    """Invoke copies the collection that it finds in a `tasks.py`; all tasks are in the copy."""
    module = ModuleType("tasks")
    vars(module)["ns"] = load(tasks.__name__, list(tasks.__path__))
    copied = Collection.from_module(module)

    assert set(copied.task_names) == listing([])
    assert all(copied[name].full_name == name for name in copied.task_names)


@pytest.mark.parametrize("name", sorted(listing([])))
def test_help_is_given_each_time(name: str) -> None:
    """Invoke asks for the options once for the parser and once for the help; both have the texts."""
    declared = load(tasks.__name__, list(tasks.__path__))[name]
    first, second = ({argument.name: argument.help for argument in declared.get_arguments()} for _ in range(2))

    assert first == second
    assert all(first.values())
