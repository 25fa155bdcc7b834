"""Console script `estiba`: all tasks, for folders without a `tasks.py`."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Final

import invoke
from invoke import Exit, ParseError, Parser

from estiba import __version__, tasks
from estiba.errors import ChoiceError, EstibaError, UsageError
from estiba.tasks.collection import load
from estiba.tasks.console import console
from estiba.tasks.options import choose

if TYPE_CHECKING:
    from collections.abc import Iterator

_FLOW: Final = (
    ("Lock and fetch", ("lock", "fetch")),
    ("Build and check", ("build", "check")),
    ("Images", ("image",)),
    ("Helm charts", ("chart",)),
    ("Binary cache", ("cache",)),
    ("Release", ("release", "approve", "logbook")),
    ("Deploy", ("deploy", "rollback", "status", "logs", "urls", "manage", "down", "server")),
    ("Develop", ("new", "adopt", "template", "dev", "compose", "services", "ci", "demo")),
)
"""Namespaces by title, in the order of the workflow; others are listed after them."""

_FORMATS: Final = ("flat", "nested", "json")


class Program(invoke.Program):
    """Invoke's program with a list in the order of the workflow, and suggestions for mistyped names."""

    def parse_tasks(self) -> None:
        """Parse the tasks and their options; an error names the nearest task or option."""
        try:
            super().parse_tasks()
        except ParseError as error:
            _fail(self._explain(error))

    def parse_cleanup(self) -> None:
        """Handle `--help TASK` and `--list`; an error names the nearest task, namespace or format."""
        named, listed = self.args.help.value, self.args.list.value
        try:
            if isinstance(named, str) and named not in self.parser.contexts:
                raise self._unknown_task(named)
            if isinstance(listed, str):
                choose("namespace", listed, sorted(self.collection.collections))
            choose("list format", self.args["list-format"].value, _FORMATS)
        except EstibaError as error:
            _fail(error)
        super().parse_cleanup()

    def list_flat(self) -> None:
        """Print each task once, in the order of the workflow."""
        if self.list_depth:
            super().list_flat()
            return
        names = [name for name in sorted(self.collection.task_names) if self._is_listed(name)]
        width = max(map(len, names))
        for title, members in _group(names):
            console.result(f"\n{title}:")
            for name in members:
                summary = (inspect.getdoc(self.collection[name]) or "").partition("\n")[0]
                console.result(f"  {name:{width}}  {summary}".rstrip())
        console.result(f"\n{self.binary} TASK --help shows the options of a task.")

    def _is_listed(self, name: str) -> bool:
        return not self.list_root or f"{name}.".startswith(f"{self.list_root}.")

    def _explain(self, error: ParseError) -> EstibaError:
        """Return the error for the user; a second, lenient parse finds the unknown word, which Invoke does not give."""
        parser = Parser(self.collection.to_contexts(), initial=self.initial_context, ignore_unknown=True)
        try:
            read = parser.parse_argv(self.core.unparsed)
        except ParseError:
            named = f" {error.context.name}" if error.context and error.context.name else ""
            return UsageError(str(error), hint=f"{self.binary}{named} --help")
        word, context = read.unparsed[0], read[-1]
        if not word.startswith("-"):
            return self._unknown_task(word)
        known = [flag for flag in context.flag_names() if flag.startswith("--")]
        if not context.name:
            return ChoiceError("option named", word, known, hint=f"{self.binary} --help")
        named = f"option of {context.name} named"
        return ChoiceError(named, word, known, hint=f"{self.binary} {context.name} --help")

    def _unknown_task(self, name: str) -> EstibaError:
        # Suggestions need all namespaces; for a command only those that it names were imported.
        everything = load(tasks.__name__, list(tasks.__path__))
        return ChoiceError("task named", name, sorted(everything.task_names), hint=f"{self.binary} --list")


def _group(names: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield titles with their tasks, and last the tasks that have no title."""
    rest = list(names)
    for title, namespaces in _FLOW:
        members = [name for noun in namespaces for name in names if name.partition(".")[0] == noun]
        rest = [name for name in rest if name not in members]
        if members:
            yield title, members
    if rest:
        yield "More", rest


def _fail(error: EstibaError) -> None:
    console.fail(str(error))
    raise Exit(code=error.exit_code) from error


program: Final = Program(version=__version__, namespace=tasks.ns, binary="estiba", binary_names=["estiba"])
"""Entry point of the console script."""
