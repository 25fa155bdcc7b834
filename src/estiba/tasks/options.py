"""The words behind a task: `--help` everywhere, and values that are looked at before the task runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import invoke
from invoke import Argument, Collection, ParseError, ParserContext, Program
from invoke.main import program as INVOKE  # noqa: N812 - a constant there too

from estiba.errors import ChoiceError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_FIELDS: Final = ("names", "kind", "default", "help", "positional", "optional", "incrementable", "attr_name")


def choose(what: str, given: str, known: Sequence[str], *, hint: str = "") -> str:
    """Return a value that is one of those known; an option that is not given, an empty one, is left alone.

    Raises:
        ChoiceError: It is none of them.
    """
    if given and given not in known:
        raise ChoiceError(what, given, known, hint=hint)
    return given


class Task(invoke.Task):  # type: ignore[type-arg] # Invoke makes it generic in the type of its body, which no one asks for
    """An Invoke task that knows `--help` and refuses unusable values.

    Attributes:
        full_name: What people type, with the namespace.
    """

    def __init__(self, body: Callable[..., Any], **options: Any) -> None:  # noqa: ANN401 - those of invoke.task
        super().__init__(body, **options)
        self.full_name = self.name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - those of any task
        """Run the task; `--help`, which Invoke passes on like every option, ended the process if it was given."""
        kwargs.pop("help", None)
        return super().__call__(*args, **kwargs)

    def arg_opts(self, name: str, default: str, taken_names: set[str]) -> dict[str, Any]:
        """Return what Invoke makes an option of; none gets `-h` for short."""
        return super().arg_opts(name, default, taken_names | {"h"})

    def get_arguments(self, ignore_unknown_help: bool | None = None) -> list[Argument]:
        """Return the options, each time with its help, which Invoke hands out once."""
        texts = self.help.copy()
        given = super().get_arguments(ignore_unknown_help)
        self.help = texts
        flags = ["--help", *(f"--{argument.names[0]}" for argument in given if not argument.positional)]
        options = [_Argument(self.full_name, flags, argument) for argument in given]
        return [*options, _Help(lambda: _show_help(self))]


class _Argument(Argument):
    """An argument that takes no option and no text where it wants something else."""

    def __init__(self, owner: str, flags: list[str], declared: Argument) -> None:
        super().__init__(**{field: getattr(declared, field) for field in _FIELDS})
        self._owner = owner
        self._flags = flags

    def __repr__(self) -> str:
        """Return the option as Invoke's messages show it."""
        return f"--{self.names[0]}"

    def set_value(self, value: Any, cast: bool = True) -> None:  # noqa: ANN401 - as Invoke has it
        """Take a value from the command line.

        Raises:
            ParseError: It is unusable.
        """
        # What Invoke does not know as an option, it gives to the argument that comes next.
        if self.positional and value.startswith("-") and not _is_completing():
            message = str(ChoiceError(f"option of {self._owner} named", value, self._flags))
            raise ParseError(message, ParserContext(self._owner))
        try:
            super().set_value(value, cast)
        except ValueError as error:
            message = f"{self!r} takes a number, not {value!r}"
            raise ParseError(message, ParserContext(self._owner)) from error


class _Help(Argument):
    """The option `--help` of a task: shows it and ends the process, whatever else is missing or wrong behind it."""

    def __init__(self, show: Callable[[], None]) -> None:
        super().__init__(names=("help", "h"), kind=bool, default=False, help="Show this help and exit.")
        self._show = show

    def set_value(self, value: Any, cast: bool = True) -> None:  # noqa: ANN401 - as Invoke has it
        """Show the help."""
        super().set_value(value, cast)
        if not _is_completing():
            self._show()


def _is_completing() -> bool:
    """Tell whether this is a shell that asks how the line may go on."""
    return "--complete" in sys.argv


def _show_help(task: Task) -> None:
    """Print what `--help TASK` prints, and end the process."""
    called = Path(sys.argv[0]).name
    binary = INVOKE.binary if called in INVOKE.binary_names else called
    found = Collection()
    namespace, _, name = task.full_name.rpartition(".")
    if namespace:
        found.add_collection(Collection(namespace), namespace)
        found.collections[namespace].add_task(task, name)
    else:
        found.add_task(task, name)
    Program(namespace=found, binary=binary).run([binary, "--help", task.full_name])
