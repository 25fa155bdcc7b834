from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from estiba.errors import PlanError
from estiba.release import plan as plans
from estiba.release import plan_text
from estiba.release.plan import Plan, TargetPlan

if TYPE_CHECKING:
    from pathlib import Path


def target(name: str, **changes: Any) -> TargetPlan:  # noqa: ANN401 - as in JSON
    """Return a plan of a target that serves an older release."""
    plain = {
        "before": {"digest": "sha256:0", "number": 3, "version": "1.0.0"},
        "commands": [["helm", "upgrade", "the shop"]],
        "diff": "-replicas: 2\n+replicas: 3",
        "migrations": [
            {"contracts": [], "irreversible": [], "name": "shop.0002_hats"},
            {"contracts": ["drops a column"], "irreversible": ["RunSQL"], "name": "shop.0003_drop"},
        ],
        "pending": True,
        "state": {"revision": "3"},
    }
    return TargetPlan(
        name=name, kind="kubernetes", settings="sha256:1", changes={**plain, **changes}, gates=("capacity",)
    )


PLAN = Plan(
    service="shop",
    version="1.1.0",
    tag="v1.1.0",
    commit="a" * 40,
    previous="v1.0.0",
    changelog=("feat: Sell hats",),
    lock=f"sha256:{'b' * 64}",
    image=f"sha256:{'c' * 64}",
    host="",
    settings=f"sha256:{'d' * 64}",
    gates=("tests",),
    targets=(
        target("staging"),
        replace(
            target("production"),
            approvals=1,
            approvers=("ana@example.com",),
            signers="branch main of origin",
            backup="3.0 h old",
        ),
    ),
    limits={"build": 300, "deploy:staging": 1800},
    budget=1800,
)


def test_plan_survives_its_file(tmp_path: Path) -> None:
    """What was written is read, with the same hash."""
    plans.save(PLAN, tmp_path / "plan.json")

    assert plans.load(tmp_path / "plan.json") == PLAN


def test_hash_is_about_what_must_not_move() -> None:
    """Diffs and words are not in it; an approval is bound to one target, whatever the others do meanwhile."""
    later = replace(PLAN, changelog=(), targets=(target("staging", state={"revision": "4"}), PLAN.targets[1]))

    assert replace(PLAN, changelog=(), gates=()).hash == PLAN.hash
    assert later.hash != PLAN.hash
    assert later.hash_for("production") == PLAN.hash_for("production")
    assert later.hash_for("staging") != PLAN.hash_for("staging")
    assert replace(PLAN, targets=PLAN.targets[1:]).hash == PLAN.hash_for("production")


@pytest.mark.parametrize(
    ("fresh", "moved"),
    [
        pytest.param(replace(PLAN, lock=f"sha256:{'e' * 64}"), "lock was bbbbbbbbbbbb and is eeeeeeeeeeee", id="lock"),
        pytest.param(replace(PLAN, image=""), "image was cccccccccccc and is nothing", id="image"),
        pytest.param(
            replace(PLAN, targets=(PLAN.targets[0], target("production", state={"revision": "9"}))),
            "target production: revision was 3 and is 9",
            id="target",
        ),
        pytest.param(
            replace(PLAN, targets=PLAN.targets[:1]), "targets was staging, production and is staging", id="targets"
        ),
    ],
)
def test_what_has_moved_is_named(fresh: Plan, moved: str) -> None:
    """Each input that has moved has a sentence."""
    assert PLAN.find_moved(fresh) == (moved,)


def test_target_that_serves_the_release_has_not_moved() -> None:
    """An earlier run of the plan has done that."""
    done = target("staging", state={"revision": "4"}, pending=False)

    assert PLAN.find_moved(replace(PLAN, targets=(done, PLAN.targets[1]))) == ()


def edit(**changes: Any) -> str:  # noqa: ANN401 - as in JSON
    """Return the file of a plan with other fields."""
    return json.dumps({**PLAN.to_dict(), **changes})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param("{", "is no plan of a release", id="no-json"),
        pytest.param("[]", "is no plan of a release", id="no-object"),
        pytest.param("{}", "is no plan of a release", id="empty-object"),
        pytest.param(edit(format=7), "is a plan of format 7, and this Estiba reads 1", id="format"),
        pytest.param(edit(commit="f" * 40), "was edited", id="edited"),
        pytest.param(edit(targets=[{}]), "is damaged: KeyError", id="fields"),
        pytest.param('{"format": 1}', "is damaged: KeyError", id="empty"),
    ],
)
def test_damaged_plan_is_one_error(tmp_path: Path, text: str, reason: str) -> None:
    """With the file, and the command that makes a new one."""
    path = tmp_path / "plan.json"
    path.write_text(text)

    with pytest.raises(PlanError, match=reason) as caught:
        plans.load(path)
    assert str(path) in caught.value.message
    assert caught.value.hint == f"invoke release.plan --out {path}"


def test_missing_plan_is_one_error(tmp_path: Path) -> None:
    """The reason is the system's."""
    with pytest.raises(PlanError, match="No such file"):
        plans.load(tmp_path / "plan.json")


def test_text_says_everything() -> None:
    """What is released, what changes where, who has to agree, and how long it takes."""
    assert (
        plan_text.render(PLAN)
        == f"""\
shop 1.1.0, v1.1.0, commit aaaaaaaaaaaa since v1.0.0

  Features
  - Sell hats

lock    {PLAN.lock}
image   {PLAN.image}
gates   tests
time    at most 35 minutes without approvals, more than the budget of 30

staging (kubernetes): serves 1.0.0 (revision 3), changes pending
  migration shop.0002_hats: safe
  migration shop.0003_drop: contract (drops a column), irreversible (RunSQL)
  these end the way back to the release before, and need --contract
  -replicas: 2
  +replicas: 3
  $ helm upgrade 'the shop'
  gates: capacity

production (kubernetes): serves 1.0.0 (revision 3), changes pending
  migration shop.0002_hats: safe
  migration shop.0003_drop: contract (drops a column), irreversible (RunSQL)
  these end the way back to the release before, and need --contract
  -replicas: 2
  +replicas: 3
  $ helm upgrade 'the shop'
  gates: capacity
  newest backup: 3.0 h old
  approval: 1 of ana@example.com, with the keys of branch main of origin
    invoke approve --target production --plan {PLAN.hash_for("production")}

plan    {PLAN.hash}"""
    )


def test_deployment_that_has_begun_moves_its_target_alone() -> None:
    """A revision that failed is its own doing; other values are another plan, which nobody has approved."""
    state = {"chart": "1", "image": "1", "inputs": "1", "revision": "3"}
    plan = replace(PLAN, targets=(target("production", state=state),))

    def find(**changes: str) -> tuple[str, ...]:
        fresh = replace(plan, targets=(target("production", state={**state, **changes}),))
        return plan.find_moved(fresh, frozenset({"production"}))

    assert find(revision="5") == ()
    assert find(revision="5", inputs="2") == ("target production: inputs was 1 and is 2",)
    other = replace(plan, targets=(replace(plan.targets[0], settings="2"),))
    assert plan.find_moved(other, frozenset({"production"})) == ("settings of production was sha256:1 and is 2",)


@pytest.mark.parametrize("value", [None, 5, True, float("nan"), ["a", 1], {"a": 1}, 10**400], ids=str)
@pytest.mark.parametrize(
    "place", ["lock", "budget", "limits.build", "targets.0.name", "targets.0.changes.state.revision"]
)
def test_field_of_another_type_is_refused_under_any_hash(
    monkeypatch: pytest.MonkeyPatch, place: str, value: object
) -> None:
    """Whoever edits a file can compute its hash as well; what is read is a plan, or one error."""
    if place in {"budget", "limits.build"} and value == 5:
        value = -5
    data: Any = json.loads(json.dumps(PLAN.to_dict()))
    found, (*names, last) = data, place.split(".")
    for name in names:
        found = found[int(name) if isinstance(found, list) else name]
    found[last] = value
    monkeypatch.setattr(Plan, "hash", property(lambda _: data["hash"]))

    with pytest.raises(PlanError, match="is damaged: TypeError"):
        plans.parse(data)


def test_target_stands_once_in_a_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two, nobody knows which one was looked at."""
    data = PLAN.to_dict()
    data["targets"] = [data["targets"][0], data["targets"][0]]
    monkeypatch.setattr(Plan, "hash", property(lambda _: data["hash"]))

    with pytest.raises(PlanError, match="two targets have one name"):
        plans.parse(data)
