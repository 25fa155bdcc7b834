"""The gate against a real SonarQube; one start of it serves all tests."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.services import sonarqube
from tests.services.gates import make_context
from tests.services.openssh import git

from estiba.errors import GateError
from estiba.release.gates import sonarqube as gate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.services.sonarqube import SonarQube

    from estiba.release.gates.gate import Context

GOOD = '"""A module."""\n\n\ndef add(one: int, other: int) -> int:\n    """Add."""\n    return one + other\n'
BAD = "def same(one):\n    if one == one:\n        return 1\n    return 2\n"
GATE = "Estiba"


@pytest.fixture(scope="session")
def server() -> Iterator[SonarQube]:
    """Run SonarQube with a quality gate that judges all code, not only what is new."""
    with sonarqube.run() as running:
        running.post("qualitygates/create", name=GATE)
        for metric in ("bugs", "vulnerabilities"):
            running.post("qualitygates/create_condition", gateName=GATE, metric=metric, op="GT", error="0")
        running.post("qualitygates/set_as_default", name=GATE)
        yield running


@pytest.fixture(scope="session")
def token(server: SonarQube) -> str:
    """Return a token that may analyse and browse."""
    return str(server.post("user_tokens/generate", name="ci")["token"])


@pytest.fixture(scope="session")
def analysed(server: SonarQube, token: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Analyse a project that passes and one that does not; return their commits by project key."""
    commits = {}
    for key, text in (("good", GOOD), ("bad", BAD)):
        source = tmp_path_factory.mktemp(key)
        git(source, "init", "--quiet")
        (source / "module.py").write_text(text)
        git(source, "add", "--all")
        git(source, "commit", "--quiet", "--message", "Begin")
        commits[key] = git(source, "rev-parse", "HEAD")
        server.scan(source, key, token)
    return commits


def context(folder: Path, server: SonarQube, token: str, commit: str, **options: object) -> Context:
    """Return what the gate looks at."""
    made = make_context(folder, gates={"sonarqube": {"url": server.url, **options}}, commit=commit)
    return replace(made, config=replace(made.config, variables={"SONAR_TOKEN": token}))


def test_commit_that_passed_is_let_through(
    server: SonarQube, token: str, analysed: dict[str, str], tmp_path: Path
) -> None:
    """The evidence names the analysis, after it has been waited for."""
    evidence = gate.check(context(tmp_path, server, token, analysed["good"], project="good", limit=60))

    assert evidence["project"] == "good"
    assert sorted(evidence["conditions"]) == ["bugs is 0 (limit 0): OK", "vulnerabilities is 0 (limit 0): OK"]
    assert evidence["analysis"]


def test_commit_that_failed_is_refused(server: SonarQube, token: str, analysed: dict[str, str], tmp_path: Path) -> None:
    """The message has the conditions that are not met."""
    with pytest.raises(GateError, match=r"the quality gate of bad is ERROR\n  - bugs is [1-9]\d* \(limit 0\): ERROR"):
        gate.check(context(tmp_path, server, token, analysed["bad"], project="bad", limit=60))


def test_analysis_of_another_commit_does_not_count(
    server: SonarQube, token: str, analysed: dict[str, str], tmp_path: Path
) -> None:
    """A green project says nothing about a commit that was not analysed."""
    with pytest.raises(GateError, match=r"has no analysis of commit aaaaaaaaaaaa in good after 1 s"):
        gate.check(context(tmp_path, server, token, "a" * 40, project="good", limit=1))


def test_unknown_project_and_wrong_token_are_refused(
    server: SonarQube, token: str, analysed: dict[str, str], tmp_path: Path
) -> None:
    """Each has a sentence of its own, without the token."""
    with pytest.raises(GateError, match=r"has no project 'nobody'"):
        gate.check(context(tmp_path, server, token, analysed["good"], project="nobody", limit=0))
    with pytest.raises(GateError, match=r"refuses the token in SONAR_TOKEN \(401\)") as caught:
        gate.check(context(tmp_path, server, "squ_wrong", analysed["good"], project="good", limit=0))
    assert "squ_wrong" not in str(caught.value)
