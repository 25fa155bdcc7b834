"""Options of tasks: `--help` for each one, and checks of values before the task runs."""

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
    """Return a value after a check that it is one of the known ones; an empty value, an option not given, passes.

    Args:
        what: Kind of value, for the error, such as `platform`.
        given: Value of the option.
        known: Values that are allowed.
        hint: Next step, for the error.

    Raises:
        ChoiceError: The value is not known.
    """
    if given and given not in known:
        raise ChoiceError(what, given, known, hint=hint)
    return given


class Task(invoke.Task):  # type: ignore[type-arg] # Invoke makes it generic in the type of its body, which no one asks for
    """Invoke task with an option `--help`, and with errors for unusable values.

    Attributes:
        full_name: Name on the command line, with the namespace.
    """

    def __init__(self, body: Callable[..., Any], **options: Any) -> None:  # noqa: ANN401 - those of invoke.task
        super().__init__(body, **options)
        self.full_name = self.name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - those of any task
        """Run the task, without the argument `help`, which Invoke passes on like every option."""
        kwargs.pop("help", None)
        return super().__call__(*args, **kwargs)

    def arg_opts(self, name: str, default: str, taken_names: set[str]) -> dict[str, Any]:
        """Return the arguments for an option, whose short form is never `-h`."""
        return super().arg_opts(name, default, taken_names | {"h"})

    def get_arguments(self, ignore_unknown_help: bool | None = None) -> list[Argument]:
        """Return the options with their help texts; Invoke alone removes the texts in the first call."""
        texts = self.help.copy()
        given = super().get_arguments(ignore_unknown_help)
        self.help = texts
        flags = ["--help", *(f"--{argument.names[0]}" for argument in given if not argument.positional)]
        options = [_Argument(self.full_name, flags, argument) for argument in given]
        return [*options, _Help(lambda: _show_help(self))]


class _Argument(Argument):
    """Argument that refuses an unknown option in place of a value, and text in place of a number, or a negative one."""

    def __init__(self, owner: str, flags: list[str], declared: Argument) -> None:
        super().__init__(**{field: getattr(declared, field) for field in _FIELDS})
        self._owner = owner
        self._flags = flags

    def __repr__(self) -> str:
        """Return the option as shown in Invoke's messages."""
        return f"--{self.names[0]}"

    def set_value(self, value: Any, cast: bool = True) -> None:  # noqa: ANN401 - as Invoke has it
        """Set the value from the command line.

        Raises:
            ParseError: The value is unusable.
        """
        # Invoke passes an unknown option as a value to the next positional argument.
        if self.positional and value.startswith("-") and not _is_completing():
            message = str(ChoiceError(f"option of {self._owner} named", value, self._flags))
            raise ParseError(message, ParserContext(self._owner))
        try:
            super().set_value(value, cast)
        except ValueError as error:
            message = f"{self!r} takes a number, not {value!r}"
            raise ParseError(message, ParserContext(self._owner)) from error
        if self.kind is int and self.value < 0:
            message = f"{self!r} takes a number that is not negative, not {value!r}"
            raise ParseError(message, ParserContext(self._owner))


class _Help(Argument):
    """Option `--help`, which prints the help and exits, even if other options are missing or wrong."""

    def __init__(self, show: Callable[[], None]) -> None:
        super().__init__(names=("help", "h"), kind=bool, default=False, help="Show this help and exit.")
        self._show = show

    def set_value(self, value: Any, cast: bool = True) -> None:  # noqa: ANN401 - as Invoke has it
        """Print the help and exit."""
        super().set_value(value, cast)
        if not _is_completing():
            self._show()


def _is_completing() -> bool:
    """Return whether a shell runs this process for completion."""
    return "--complete" in sys.argv


def _show_help(task: Task) -> None:
    """Print what `--help TASK` prints, and exit."""
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
