from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from estiba.deploy.host import migrations
from estiba.deploy.host.migrations import plan_reversal
from estiba.deploy.target import Finished
from estiba.errors import DeployError
from estiba.release_manifest import Migrations

NAMES = ("auth.0001", "shop.0001", "mail.0001", "shop.0002", "mail.0002", "shop.0003")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        pytest.param(["shop.0003"], (("shop", "0002"),), id="last"),
        pytest.param(["shop.0002", "shop.0003"], (("shop", "0001"),), id="first-of-several"),
        pytest.param(["mail.0001"], (("mail", "zero"),), id="whole-app"),
        pytest.param(["shop.0002", "mail.0002"], (("mail", "0001"), ("shop", "0001")), id="last-app-first"),
        pytest.param([], (), id="none"),
    ],
)
def test_way_back_goes_before_the_first_one_of_each_app(
    names: list[str], expected: tuple[tuple[str, str], ...]
) -> None:
    """`migrate APP NAME` takes back what comes after a migration, or all of an app."""
    known = Migrations(heads={}, names=NAMES, contracts={}, irreversible={})

    assert plan_reversal(known, names) == expected


GRAPH = Migrations(
    heads={"shop": ("0003_merge",)},
    names=("shop.0001", "shop.0002_new", "shop.0002_old", "shop.0003_merge"),
    contracts={},
    irreversible={},
)
OLD = replace(GRAPH, heads={"shop": ("0002_old",)}, names=("shop.0001", "shop.0002_old"))


class Answers:
    """Stands in for the processes of a target: its entry point answers, and notes what it was to do."""

    def __init__(self, **reversed_by: list[str]) -> None:
        self.settings = SimpleNamespace(ready_limit=1, migrate_limit=1, name="local")
        self.done: list[list[str]] = []
        self._reversed = reversed_by

    def command(self, _programs: object, words: list[str], **_options: object) -> Finished:
        """Answer `pending` and `migrate`."""
        if words[0] == "migrate":
            self.done.append(words)
            return Finished(code=0, output="")
        names = self._reversed[words[2]] if len(words) > 1 else []
        gone = [{"irreversible": [], "name": name} for name in names]
        return Finished(code=0, output=json.dumps({"pending": [], "reversed": gone}))


def take_back(answers: Answers, *names: str) -> list[list[str]]:
    """Take migrations of the merged branches back, and return the commands that did it."""
    migrations.take_back(
        answers,  # type: ignore[arg-type] # as far as it is used
        None,  # type: ignore[arg-type] # passed on
        names,
        lambda _: None,
        known=GRAPH,
        kept=OLD,
    )
    return answers.done


def test_way_back_over_merged_branches_leaves_what_the_other_release_has() -> None:
    """The migration that is listed before need not be the one that is depended on."""
    answers = Answers(**{"0002_old": ["shop.0003_merge"]})

    assert take_back(answers, "shop.0003_merge") == [["migrate", "shop", "0002_old"]]


def test_way_back_that_would_take_more_or_less_is_none() -> None:
    """A branch cannot be taken back alone, and is not half taken back either."""
    both = ["shop.0003_merge", "shop.0002_old", "shop.0002_new"]
    answers = Answers(**{"0001": both, "0002_old": ["shop.0003_merge"]})

    with pytest.raises(DeployError, match=r"shop\.0002_new would stay, on a branch of its own"):
        take_back(answers, "shop.0002_new")
    assert answers.done == []
