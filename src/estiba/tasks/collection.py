"""Invoke collection of all tasks: each module of this package is a namespace."""

from __future__ import annotations

import importlib
import inspect
import itertools
import pkgutil
from typing import TYPE_CHECKING, Any, Final

from invoke import Collection

if TYPE_CHECKING:
    from collections.abc import Sequence

    from invoke import Task

_NOT_TASKS: Final = frozenset({"cache_service", "collection", "console", "import_path", "options", "program"})

_INTRODUCTION: Final = """\
Every task works on the service in the current folder, unless `--project` names another one. `estiba TASK` works in
any folder; `invoke TASK` needs a `tasks.py`, which may add tasks of its own. `--help` after a task shows its options,
and `estiba --list` all tasks in the order of the workflow. Results go to standard output, progress and errors to
standard error; `NO_COLOR` turns colours off. For completion in a shell, run
`source <(estiba --print-completion-script bash)`; `zsh` and `fish` work as well, and so does `invoke`."""


class _Namespace(Collection):
    """Namespace of tasks such as `build.verify`, with an optional default task that has its name, `build`."""

    own: Task[Any] | None = None

    def task_with_config(self, name: str | None) -> tuple[Any, dict[str, Any]]:
        """Return a task of the namespace, or the default task for an empty name."""
        return (self.own, self.configuration()) if not name and self.own else super().task_with_config(name)


def load(package: str, path: list[str], arguments: Sequence[str] = ()) -> Collection:
    """Load the namespaces of a package; adding a module there adds its tasks.

    Args:
        package: Dotted name of the package.
        path: Its `__path__`.
        arguments: Command line. If it begins with a namespace, only the namespaces that it names are imported, since
            importing all takes longer than some tasks.
    """
    names = {module.name for module in pkgutil.iter_modules(path)} - _NOT_TASKS
    own = itertools.takewhile(lambda word: word != "--", arguments)
    named = [word.partition(".")[0] for word in own if not word.startswith("-")]
    wanted = names & set(named) if named and named[0] in names else names
    collection = Collection()
    for name in sorted(wanted):
        module = importlib.import_module(f"{package}.{name}")
        namespace = _Namespace.from_module(module)
        assert isinstance(namespace, _Namespace)  # which Invoke's annotation does not say
        _add(collection, namespace, name)
    for name in collection.task_names:
        collection[name].full_name = name
    return collection


def _add(collection: Collection, namespace: _Namespace, name: str) -> None:
    """Add a namespace, with its default task under the namespace's name only, not as `build.build` too."""
    if namespace.default:
        namespace.own = collection.tasks[name] = namespace.tasks.pop(namespace.default)
        namespace.default = None
    if namespace.tasks:
        # Not by `add_collection`, which refuses a name that a task has.
        collection.collections[name] = namespace


def render_reference(collection: Collection) -> str:
    """Return the tasks of a collection with their options as a Markdown page."""
    entries = [_render_task(name, collection) for name in sorted(collection.task_names)]
    return "\n\n".join(["# Tasks", _INTRODUCTION, *entries]) + "\n"


def _render_task(name: str, collection: Collection) -> str:
    declared = collection[name]
    options = []
    for argument in declared.get_arguments():
        if argument.name == "help":
            continue
        flags = "/".join(f"`{'-' if len(flag) == 1 else '--'}{flag.replace('_', '-')}`" for flag in argument.names)
        # Invoke takes an option that may be repeated as positional too, since it has no default.
        flags = f"`{argument.name}`" if argument.positional and argument.kind is not list else flags
        options.append(f"- {flags}: {argument.help or ''}".rstrip(": "))
    title = f"## `invoke {name}`"
    return "\n\n".join(filter(None, [title, inspect.getdoc(declared) or "", "\n".join(options)]))
