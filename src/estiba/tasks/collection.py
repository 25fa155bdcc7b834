"""The Invoke collection of all tasks: every module of this package is a namespace of its own name."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from typing import TYPE_CHECKING, Any, Final

from invoke import Collection

if TYPE_CHECKING:
    from collections.abc import Sequence

    from invoke import Task

_NOT_TASKS: Final = frozenset({"collection", "console", "options", "program"})

_INTRODUCTION: Final = """\
Every task works on the service in the current folder. `estiba TASK` runs it in any folder; `invoke TASK` does so
where a `tasks.py` is, which may have tasks of its own. `--help` behind a task shows its options. `estiba --list`
shows all tasks in the order of the work, and a wrong name is answered with the nearest right one. Results go to
standard output, everything else to standard error; `NO_COLOR` turns colours off. Shells complete task names after
`source <(estiba --print-completion-script bash)`, and likewise with `zsh` and `fish`, and for `invoke`."""


class _Namespace(Collection):
    """Tasks behind a dot, such as `build.verify`; its own name, `build`, is a task too, or is none."""

    own: Task[Any] | None = None

    def task_with_config(self, name: str | None) -> tuple[Any, dict[str, Any]]:
        """Return a task of the namespace, or without a name its own."""
        return (self.own, self.configuration()) if not name and self.own else super().task_with_config(name)


def load(package: str, path: list[str], arguments: Sequence[str] = ()) -> Collection:
    """Compose the namespaces found in a package; adding a module there adds its tasks.

    Args:
        package: Its name.
        path: Its folders.
        words: The command line. Where it begins with one of the namespaces, the others that it does not name are left
            out: importing all of them takes longer than many a task.
    """
    names = {module.name for module in pkgutil.iter_modules(path)} - _NOT_TASKS
    named = [word.partition(".")[0] for word in arguments if not word.startswith("-")]
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
    """Add a namespace; the task that its name stands for is listed by that name alone, and not as `build.build` too."""
    if namespace.default:
        namespace.own = collection.tasks[name] = namespace.tasks.pop(namespace.default)
        namespace.default = None
    if namespace.tasks:
        # Not by its method, which allows no task of the same name.
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
        flags = f"`{argument.name}`" if argument.positional else flags
        options.append(f"- {flags}: {argument.help or ''}".rstrip(": "))
    title = f"## `invoke {name}`"
    return "\n\n".join(filter(None, [title, inspect.getdoc(declared) or "", "\n".join(options)]))
