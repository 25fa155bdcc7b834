"""`invoke approve` and `invoke approve.list` as people type them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from tests.services.harbour import invoke
from tests.services.openssh import Team, make_team

from estiba.digest import Digest

PLAN = Digest.of_bytes(b"plan")


@pytest.fixture
def team(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Team:
    """Return a team whose release waits for ana, with a plan in a file."""
    made = make_team(tmp_path)
    monkeypatch.setenv("PATH", str(Path(made.program).parent), prepend=os.pathsep)
    made.commit("v1", rules='production = ["ana@example.com"]', signers=made.signer("ana"))
    plan = {"targets": [{"changes": {"before": {}}, "hash": str(PLAN), "name": "production"}]}
    (made.folder / "plan.json").write_text(json.dumps(plan))
    (made.folder / "tasks.py").write_text("from estiba.tasks import ns\n\n__all__ = ['ns']\n")
    made.git("config", "user.email", "ana@example.com")
    made.git("config", "user.signingKey", str(made.key("ana")))
    return made


def test_plan_in_a_file_is_approved_and_listed(team: Team) -> None:
    """Git's settings say who and with which key; the list shows what was given."""
    said = invoke(team.folder, "approve", "--comment", "looks fine").stdout
    listed = json.loads(invoke(team.folder, "approve.list", "--json").stdout)["approvals"]

    assert said == f"ana@example.com approves {PLAN.hex[:12]} for production\n"
    assert [(one["principal"], one["plan"], one["comment"]) for one in listed] == [
        ("ana@example.com", str(PLAN), "looks fine")
    ]
    assert "looks fine" in invoke(team.folder, "approve.list", "--plan", str(PLAN)).stdout


def test_signers_are_those_of_what_the_target_serves(team: Team) -> None:
    """The plan says which commit that is, as a release will find it; the tags have no say."""
    before = team.git("rev-parse", "HEAD")
    team.commit("v2", rules='production = ["eve@example.com"]', signers=team.signer("eve"))
    plan = {"targets": [{"changes": {"before": {"commit": before}}, "hash": str(PLAN), "name": "production"}]}
    (team.folder / "plan.json").write_text(json.dumps(plan))

    refused = invoke(
        team.folder, "approve", "--principal", "eve@example.com", "--key", str(team.key("eve")), check=False
    )

    assert (refused.returncode, refused.stdout) == (3, "")
    assert f"eve@example.com in allowed_signers of commit {before[:12]}, which is served" in refused.stderr
    assert invoke(team.folder, "approve").stdout == f"ana@example.com approves {PLAN.hex[:12]} for production\n"


def test_hash_alone_is_approved_where_the_target_is_out_of_reach(team: Team) -> None:
    """Who approves need not reach production; the warning says who finds out."""
    path = team.folder / "pyproject.toml"
    text = 'production = {kind = "kubernetes", image = "127.0.0.1:1/shop", kubeconfig = "nowhere"}'
    path.write_text(path.read_text().replace("production = {}", text))

    done = invoke(team.folder, "approve", "--target", "production", "--plan", str(PLAN))

    assert done.stdout == f"ana@example.com approves {PLAN.hex[:12]} for production\n"
    assert "production cannot be asked what it serves, so the release finds out whether this counts" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        pytest.param(["--target", "prod"], 64, "no target 'prod'; there is production, qa", id="target"),
        pytest.param(["--plan", "nowhere.json"], 23, "nowhere.json cannot be read", id="no plan"),
        pytest.param(["--plan", "tasks.py"], 23, "tasks.py is no plan of a release", id="other file"),
        pytest.param(["--plan", "sha256:1"], 64, "--plan: not a SHA-256 digest", id="hash"),
        pytest.param(["--key", "nowhere"], 3, "there is no key nowhere", id="key"),
        pytest.param(["--principal", "eve@example.com"], 3, "is not in `from` of production", id="principal"),
    ],
)
def test_bad_input_is_one_error(team: Team, arguments: list[str], code: int, message: str) -> None:
    """Nothing is approved by then."""
    done = invoke(team.folder, "approve", *arguments, check=False)

    assert (done.returncode, done.stdout) == (code, "")
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert json.loads(invoke(team.folder, "approve.list", "--json").stdout) == {"approvals": []}
