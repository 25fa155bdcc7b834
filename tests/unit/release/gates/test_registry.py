from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from tests.services.gates import COMMIT, Harbour, make_context

from estiba.errors import ChoiceError, ConfigError, GateError, UsageError
from estiba.release.gates import registry
from estiba.release.gates.registry import Scope

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

OFF = dict.fromkeys(("check-deploy", "migrations", "tests"), False)
"""Gates that need Nix."""


def ignore(name: str, evidence: Mapping[str, Any] | None) -> None:
    """Take a result."""


def test_gates_are_asked_in_their_order(tmp_path: Path) -> None:
    """Without settings those that need none are asked; a table adds its gate, and false takes one away."""
    settings = make_context(tmp_path, gates={"coverage": {"minimum": 80}, "sandbox": False}).settings

    assert registry.enabled(settings) == ("check-deploy", "migrations", "tests", "coverage", "variables", "capacity")
    assert registry.enabled(settings, Scope.TARGET) == ("variables", "capacity")


def test_all_problems_of_the_settings_are_listed(tmp_path: Path) -> None:
    """A mistyped key could otherwise turn a gate off without a word."""
    gates = {
        "covrage": {},
        "coverage": {"minimum": 101},
        "lint": True,
        "backup": {"command": ["date"], "hour": 3},
        "tests": {"again": True},
        "sonarqube": {"url": "http://user:secret@example.com", "project": ""},
    }

    with pytest.raises(ConfigError) as caught:
        registry.enabled(make_context(tmp_path, gates=gates).settings)

    assert caught.value.problems == (
        "unknown key 'covrage', did you mean 'coverage'?",
        "tests: unknown key 'again', it has none",
        "coverage: 'minimum' must be a number of percent from 0 to 100, not 101",
        "lint: 'commands' is missing: a list of commands such as [['ruff', 'check', '.']], each a list of words",
        "sonarqube: 'url' must be the URL of a server, without credentials",
        "sonarqube: 'project' must be a string, not ''",
        "backup: unknown key 'hour', did you mean 'hours'?",
    )


def test_all_refusals_come_at_once(tmp_path: Path) -> None:
    """One run says all that is wrong, gate by gate, and the rest has been asked too."""
    results: dict[str, bool] = {}
    target = Harbour(names=frozenset({"SECRET_KEY"}), reasons=("no room",))
    context = make_context(tmp_path, gates={**OFF, "lint": {"commands": [["false"]]}}, target=target, hermetic=False)

    with pytest.raises(GateError) as caught:
        registry.check_all(context, {}, lambda name, evidence: results.update({name: evidence is not None}))

    assert results == {"sandbox": False, "lint": False, "variables": False, "capacity": False}
    assert caught.value.gate == "sandbox, lint, variables, capacity"
    for part in ("built without Nix's sandbox", "false exited with 1", "not set DATABASE_URL", "release: no room"):
        assert part in caught.value.message
    assert caught.value.exit_code == 4


def test_evidence_of_the_commit_and_of_each_target_is_kept(tmp_path: Path) -> None:
    """The commit is looked at once; each target is looked at."""
    context = make_context(tmp_path, gates=OFF)
    asked: list[str] = []
    first = registry.check_all(context, {}, lambda name, _: asked.append(name))
    again = replace(context, manifest=first, name="staging")
    second = registry.check_all(again, {}, lambda name, _: asked.append(name))

    assert asked == ["sandbox", "variables", "capacity", "variables", "capacity"]
    assert second.gates["sandbox"] == {"commit": COMMIT, "hermetic": True}
    assert sorted(second.gates["variables"]) == ["production", "staging"]
    assert second.gates["variables"]["staging"] == {"names": ["DATABASE_URL", "SECRET_KEY"]}


def test_skipped_gate_leaves_its_reason(tmp_path: Path) -> None:
    """It is not asked, and asked again as soon as nobody skips it."""
    context = make_context(tmp_path, gates=OFF, hermetic=False)
    manifest = registry.check_all(context, {"sandbox": "INC-7"}, ignore)

    assert manifest.gates["sandbox"] == {"commit": COMMIT, "skipped": "INC-7"}
    with pytest.raises(GateError, match=r"gate sandbox"):
        registry.check_all(replace(context, manifest=manifest), {}, ignore)


def test_unknown_gate_or_empty_reason_cannot_be_skipped(tmp_path: Path) -> None:
    """Nothing has been asked by then."""
    context = make_context(tmp_path, gates=OFF)

    with pytest.raises(ChoiceError, match=r"no gate 'capasity'; .*did you mean 'capacity'"):
        registry.check_all(context, {"capasity": "why"}, ignore)
    with pytest.raises(UsageError, match=r"--skip capacity has no reason"):
        registry.check_all(context, {"capacity": " "}, ignore)


def test_target_that_cannot_be_reached_is_a_refusal(tmp_path: Path) -> None:
    """Whatever a gate cannot see it refuses."""

    class Away(Harbour):
        def variables(self) -> frozenset[str]:
            raise ConnectionRefusedError(111, "Connection refused")

    with pytest.raises(GateError, match=r"gate variables: .*Connection refused"):
        registry.check_all(make_context(tmp_path, gates=OFF, target=Away()), {}, ignore)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e300])
def test_limits_are_numbers_that_end(tmp_path: Path, value: float) -> None:
    """TOML has `nan` and `inf`; a backup may not be older than can be said."""
    gates = {"backup": {"command": ["date"], "hours": value}}

    with pytest.raises(ConfigError, match=r"backup: 'hours' must be a number of hours from 0\.01 to 87840"):
        registry.enabled(make_context(tmp_path, gates=gates).settings)
