from __future__ import annotations

import inspect

import pytest

from estiba import errors
from estiba.errors import CommandError, ConfigError, EstibaError

CLASSES = [value for _, value in inspect.getmembers(errors, inspect.isclass) if issubclass(value, EstibaError)]


def test_message_and_hint_are_shown_together() -> None:
    """The hint follows the message on a line of its own."""
    assert (
        str(EstibaError("the lock is stale", hint="run `invoke lock`"))
        == "the lock is stale\n  hint: run `invoke lock`"
    )


def test_message_alone_has_no_hint_line() -> None:
    """Without a hint the message is all there is."""
    assert str(EstibaError("no such service")) == "no such service"


def test_config_error_with_one_problem_is_one_line() -> None:
    """A single problem stands behind the place it was found."""
    assert str(ConfigError("pyproject.toml", ["unknown key `pyhton`"])) == "pyproject.toml: unknown key `pyhton`"


def test_config_error_lists_all_problems() -> None:
    """Several problems are reported at once, one a line."""
    assert str(ConfigError("pyproject.toml", ["first", "second"])) == "pyproject.toml: \n  - first\n  - second"


def test_command_error_holds_its_evidence() -> None:
    """A failed command keeps argv, exit code and the last lines of standard error."""
    error = CommandError(["pip", "install"], 2, "no matching distribution")

    assert (error.argv, error.code, error.tail) == (("pip", "install"), 2, "no matching distribution")
    assert str(error) == "pip exited with 2\nno matching distribution"


@pytest.mark.parametrize("cause", CLASSES, ids=lambda cause: cause.__name__)
def test_every_cause_fails_the_process(cause: type[EstibaError]) -> None:
    """No error ends the process with the exit code of success, or with one that shells use for signals."""
    assert 0 < cause.exit_code < 126


@pytest.mark.parametrize("cause", CLASSES, ids=lambda cause: cause.__name__)
def test_every_cause_says_what_it_means(cause: type[EstibaError]) -> None:
    """Each class has a docstring of its own."""
    assert cause.__doc__ != Exception.__doc__
