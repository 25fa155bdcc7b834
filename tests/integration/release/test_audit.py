"""The gate on known vulnerabilities with the real pip-audit."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from tests.services import advisories
from tests.services.gates import make_context

from estiba import config
from estiba.errors import GateError
from estiba.process import run
from estiba.release.gates.audit import audit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from estiba.process import Completed, Runner

LOCK = Path(__file__).parents[3] / "estiba.lock"


def run_with_pip_audit(argv: Sequence[str], **options: Any) -> Completed:  # noqa: ANN401 - those of `run`
    """Run a command with pip-audit on PATH."""
    variables = config.variables()
    folder = advisories.install()
    path = f"{folder}/bin:{variables['PATH']}"
    return run(argv, env={**variables, "PATH": path, "PYTHONPATH": str(folder)}, **options)


def ask(folder: Path, url: str, **options: object) -> dict[str, Any]:
    """Audit the lock of this repository as if all of it were of a service."""
    lock = LOCK.read_text().replace('"groups": ["dev"]', '"groups": ["runtime"]')
    (folder / "estiba.lock").write_text(lock.replace('"groups":["dev"]', '"groups":["runtime"]'))
    context = make_context(folder, gates={"audit": {"url": url, **options}})
    return audit(replace(context, runner=cast("Runner", run_with_pip_audit)))


def test_source_without_advisories_lets_through(tmp_path: Path) -> None:
    """The evidence has the number of distributions."""
    with advisories.serve({}) as url:
        evidence = ask(tmp_path, url)

    names = {one["name"] for one in json.loads((tmp_path / "estiba.lock").read_text())["distributions"]}
    assert 5 < evidence["distributions"] <= len(names)
    assert evidence["url"] == url


def test_known_vulnerability_is_refused_unless_it_is_ignored(tmp_path: Path) -> None:
    """The message has the distribution, the advisory, and the version that mends it."""
    with advisories.serve({"requests": "99.0"}) as url:
        with pytest.raises(GateError, match=r"\n  - requests \S+: TEST-requests, mended in 99.0") as caught:
            ask(tmp_path, url)
        assert ask(tmp_path, url, ignore=["TEST-requests"])["ignored"] == ["TEST-requests"]

    assert caught.value.hint.startswith("invoke lock --upgrade-package NAME")


def test_source_that_cannot_be_reached_is_a_refusal(tmp_path: Path) -> None:
    """No answer is no advisory only for those who do not look."""
    with pytest.raises(GateError, match=r"pip-audit exited with \d+ and no report"):
        ask(tmp_path, "http://127.0.0.1:9/v1/query")
