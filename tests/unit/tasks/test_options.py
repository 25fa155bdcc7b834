from __future__ import annotations

import pytest

from estiba.errors import ChoiceError, UsageError
from estiba.tasks.options import choose

PLATFORMS = ("aarch64-linux", "x86_64-linux")


@pytest.mark.parametrize("given", ["", *PLATFORMS])
def test_good_values_pass(given: str) -> None:
    """So does an option that is not given."""
    assert choose("platform", given, PLATFORMS) == given


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("arm", "no platform 'arm'; there is aarch64-linux, x86_64-linux"),
        ("x86-linux", "no platform 'x86-linux'; there is aarch64-linux, x86_64-linux; did you mean 'x86_64-linux'?"),
    ],
)
def test_bad_values_are_answered_with_the_good_ones(given: str, said: str) -> None:
    """All of them, and the nearest one."""
    with pytest.raises(ChoiceError) as caught:
        choose("platform", given, PLATFORMS, hint="look")

    assert str(caught.value) == f"{said}\n  hint: look"
    assert (caught.value.given, caught.value.known) == (given, PLATFORMS)


def test_many_good_values_do_not_bury_the_message() -> None:
    """Of many, the nearest is enough."""
    assert str(ChoiceError("task named", "task-77x", [f"task-{number}" for number in range(99)])) == (
        "no task named 'task-77x'; did you mean 'task-77'?"
    )


def test_choice_is_a_matter_of_usage() -> None:
    """Scripts tell what was mistyped from what failed."""
    assert ChoiceError.exit_code == UsageError.exit_code
