"""Approvals that somebody has tampered with, and keys that were lost."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.integration.release.test_approval import PLAN, RULES, share, sign, verify
from tests.services.openssh import Team, make_team, runner_of

from estiba.errors import ApprovalError, ConfigError
from estiba.release import approval
from estiba.release.approval import Damaged, record, ref

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def team(tmp_path: Path) -> Team:
    """Return a team with an empty repository."""
    return make_team(tmp_path)


def public(team: Team, name: str) -> str:
    """Return the line of `revoked_signers` for a person, with a comment and without a newline."""
    return f"{team.signer(name).split(' ', 1)[1].strip()} {name}"


@pytest.mark.parametrize("where", ["served", "HEAD", "default branch"])
def test_key_is_revoked_wherever_it_says_so(team: Team, tmp_path: Path, where: str) -> None:
    """A release of an older commit brings no lost key back, nor does a file that does not end in a newline."""
    signers = team.signer("ana") + team.signer("bo")
    lost = [public(team, "eve"), public(team, "bo")]
    team.commit(rules=RULES, signers=signers, revoked=lost[where == "served"])
    served = team.git("rev-parse", "HEAD")
    team.git("branch", "release")
    if where == "default branch":
        team.commit(rules=RULES, signers=signers, revoked=lost[1])
    share(team, tmp_path / "bare")
    team.git("checkout", "--quiet", "release")
    settings = team.commit("v1", rules=RULES, signers=signers, revoked=lost[where == "HEAD"])

    with pytest.raises(ApprovalError, match=r"the approval of bo@\S+ of \S+ \S+ UTC is signed with a key that was rev"):
        verify(team, settings, sign(team, "bo"), served=served)
    assert verify(team, settings, sign(team, "ana"), served=served) == ["ana@example.com"]


def test_author_is_barred_however_the_address_is_written(team: Team) -> None:
    """Mail addresses differ in case between git and a list of principals."""
    rules = 'production = {from = ["Dev@example.com"], not-author = true}'
    settings = team.commit("v1", rules=rules, signers=team.signer("dev").replace("dev@", "Dev@", 1))

    with pytest.raises(ApprovalError, match=r"Dev@example.com is an author of the release"):
        verify(team, settings, replace(sign(team, "dev"), principal="Dev@example.com"))


def test_authors_that_cannot_be_read_bar_everybody(team: Team) -> None:
    """A history with a hole says nothing about who is not in it."""
    team.commit()
    (team.folder / ".git" / "objects" / team.git("rev-parse", "HEAD")[:2] / team.git("rev-parse", "HEAD")[2:]).unlink()
    rules = 'production = {from = ["ana@example.com"], not-author = true}'
    tree, lost = team.git("write-tree"), team.git("rev-parse", "HEAD")
    team.git("update-ref", "refs/heads/main", team.git("commit-tree", "-m", "v0", tree))
    settings = team.commit("v1", rules=rules, signers=team.signer("ana"))
    assert verify(team, settings, sign(team, "ana")) == ["ana@example.com"]

    grafted = team.git("rev-parse", "HEAD")
    (team.folder / ".git" / "info").mkdir(exist_ok=True)
    (team.folder / ".git" / "info" / "grafts").write_text(f"{grafted} {lost}\n")
    with pytest.raises(ApprovalError, match=r"the authors of the release cannot be read"):
        verify(team, settings, sign(team, "ana"))


@pytest.mark.parametrize("hours", ["nan", "inf", "1e300", "0"])
def test_time_of_an_approval_has_an_end(team: Team, hours: str) -> None:
    """TOML has numbers that are none."""
    settings = team.commit("v1", rules=f"production = {{from = ['ana@example.com'], hours = {hours}}}")

    with pytest.raises((ConfigError, ApprovalError), match=r"'hours' must be a number above 0 and up to 8784"):
        verify(team, settings, sign(team, "ana"))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        pytest.param({"target": "\x1b[2J"}, "has a text with control characters", id="terminal"),
        pytest.param({"principal": "\ud800"}, "has a text with control characters", id="surrogate"),
        pytest.param({"at": "0001-01-01T00:00:00+14:00"}, "has a time that is not in UTC", id="zone"),
        pytest.param({"at": "2026-01-01T00:00:00"}, "has a time that is not in UTC", id="no zone"),
    ],
)
def test_record_that_nobody_can_show_is_damaged(team: Team, change: dict[str, str], problem: str) -> None:
    """Whoever may push to the ref writes nothing into the terminal of who releases."""
    found = record.parse("x.json", json.dumps({**sign(team, "ana").to_dict(), **change}))

    assert isinstance(found, Damaged)
    assert found.problem.startswith(problem)


def test_approval_that_would_be_damaged_is_not_given(team: Team) -> None:
    """A comment has no control characters."""
    settings = team.commit("v1", rules=RULES, signers=team.signer("ana"))
    unsigned = replace(sign(team, "ana"), comment="\x1b[2J", signature="")

    with pytest.raises(ApprovalError, match=r"has a text with control characters"):
        approval.approve(team.folder, settings, unsigned, key=team.key("ana"), runner=runner_of(team), served="")
    assert approval.load(team.folder, PLAN, runner_of(team)) == ()


def test_strange_name_at_the_remote_keeps_no_approval_out(team: Team, tmp_path: Path) -> None:
    """A file whose name has a newline is merged as any other."""
    settings = team.commit("v1", rules=RULES, signers=team.signer("ana"))
    share(team, tmp_path / "bare")
    blob = team.git("hash-object", "-w", "pyproject.toml")
    tree = runner_of(team)(["git", "-C", str(team.folder), "mktree", "-z"], stdin=f"100644 blob {blob}\ta\nb\0").stdout
    commit = team.git("commit-tree", "-m", "Strange", tree.strip())
    team.git("push", "--quiet", "origin", f"{commit}:{ref.REF}")

    approval.store(team.folder, sign(team, "ana"), runner_of(team))

    assert verify(team, settings, *approval.load(team.folder, PLAN, runner_of(team))) == ["ana@example.com"]
