"""The gates on checks with a service whose checks really run."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.services.gates import COMMIT, make_context
from tests.services.harbour import FLAKE

from estiba.errors import GateError
from estiba.release.gates import registry
from estiba.release.gates.registry import Scope

if TYPE_CHECKING:
    from pathlib import Path


def test_template_passes_all_gates_on_its_commit(template: Path) -> None:
    """A new service has tests, coverage, migrations and settings that a release accepts; twice they are not run."""
    context = make_context(template, gates={"coverage": {"minimum": 80}})
    context = replace(context, config=replace(context.config, flake=FLAKE))
    manifest = registry.check_all(context, {}, lambda *_: None, scope=Scope.COMMIT)

    assert manifest.gates["tests"]["totals"]["tests"] > 3
    assert manifest.gates["coverage"]["percent"] > 80
    assert {one["commit"] for one in manifest.gates.values()} == {COMMIT}
    asked: list[str] = []
    registry.check_all(replace(context, manifest=manifest), {}, lambda name, _: asked.append(name), scope=Scope.COMMIT)
    assert asked == []


def test_coverage_that_the_template_has_not_is_refused(template: Path) -> None:
    """The threshold is compared with what was measured."""
    context = make_context(template, gates={"coverage": {"minimum": 100}, "variables": False})
    context = replace(context, config=replace(context.config, flake=FLAKE))

    with pytest.raises(GateError, match=r"gate coverage: the tests run \d+(\.\d)? % of the lines, and must run 100 %"):
        registry.check_all(context, {}, lambda *_: None, scope=Scope.COMMIT)
