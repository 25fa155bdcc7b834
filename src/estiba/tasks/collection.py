"""The Invoke collection of all tasks: every module of this package is a namespace of its own name."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from typing import TYPE_CHECKING, Final

from invoke import Collection

if TYPE_CHECKING:
    from collections.abc import Sequence

_NOT_TASKS: Final = frozenset({"collection", "console"})

_INTRODUCTION: Final = """\
Every task works on the service in the current folder. `invoke --help TASK` shows the same. Results go to standard
output, everything else to standard error; `NO_COLOR` turns colours off. Shells complete task names after
`source <(invoke --print-completion-script bash)`, and likewise with `zsh` and `fish`."""


def load(package: str, path: list[str], words: Sequence[str] = ()) -> Collection:
    """Compose the namespaces found in a package; adding a module there adds its tasks.

    Args:
        package: Its name.
        path: Its folders.
        words: The command line. Where it begins with one of the namespaces, the others that it does not name are left
            out: importing all of them takes longer than many a task.
    """
    names = {module.name for module in pkgutil.iter_modules(path)} - _NOT_TASKS
    named = [word.partition(".")[0] for word in words if not word.startswith("-")]
    wanted = names & set(named) if named and named[0] in names else names
    collection = Collection()
    for name in sorted(wanted):
        module = importlib.import_module(f"{package}.{name}")
        collection.add_collection(Collection.from_module(module), name=name)
    return collection


def render_reference(collection: Collection) -> str:
    """Return the tasks of a collection with their options as a Markdown page."""
    entries = [_render_task(name, collection) for name in sorted(collection.task_names)]
    return "\n\n".join(["# Tasks", _INTRODUCTION, *entries]) + "\n"


def _render_task(name: str, collection: Collection) -> str:
    declared = collection[name]
    shown = next((short for short in collection.task_names[name] if name.startswith(f"{short}.")), name)
    options = []
    for argument in declared.get_arguments():
        flags = "/".join(f"`{'-' if len(flag) == 1 else '--'}{flag.replace('_', '-')}`" for flag in argument.names)
        flags = f"`{argument.name}`" if argument.positional else flags
        options.append(f"- {flags}: {argument.help or ''}".rstrip(": "))
    title = f"## `invoke {shown}`"
    return "\n\n".join(filter(None, [title, inspect.getdoc(declared) or "", "\n".join(options)]))
