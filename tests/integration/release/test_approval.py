from __future__ import annotations

import json
import re
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from tests.services.openssh import Team, make_team, runner_of

from estiba.digest import Digest
from estiba.errors import ApprovalError, MissingProgramError
from estiba.release import approval
from estiba.release.approval import Approval, Damaged, ref

if TYPE_CHECKING:
    from pathlib import Path

    from estiba.release.settings import Settings

PLAN = Digest.of_bytes(b"plan")
OTHER = Digest.of_bytes(b"another plan")
NOW = datetime.now(UTC).replace(microsecond=0)
RULES = 'production = {from = ["ana@example.com", "bo@example.com"]}'
TWO = 'production = {from = ["ana@example.com", "bo@example.com"], count = 2}'


@pytest.fixture
def team(tmp_path: Path) -> Team:
    """Return a team with an empty repository."""
    return make_team(tmp_path)


def sign(team: Team, name: str, *, key: str = "", target: str = "production", hours: float = 0) -> Approval:
    """Sign an approval of the plan some hours ago."""
    unsigned = Approval(
        target=target, plan=PLAN, principal=f"{name}@example.com", at=NOW - timedelta(hours=hours), comment="ok"
    )
    return approval.sign(unsigned, team.key(key or name), runner_of(team))


def verify(team: Team, settings: Settings, *records: Approval | Damaged, served: str = "") -> list[str]:
    """Return the principals whose approvals count for the plan on production."""
    counted = approval.verify(
        team.folder, settings, "production", PLAN, approvals=records, now=NOW, runner=runner_of(team), served=served
    )
    return [one.principal for one in counted]


def test_approval_of_an_allowed_signer_counts(team: Team) -> None:
    """One signature suffices by default, and no rule asks for none."""
    settings = team.commit("v1", rules=RULES, signers=team.signer("ana") + team.signer("bo"))

    assert verify(team, settings, sign(team, "ana")) == ["ana@example.com"]
    base = approval.load_base(team.folder, "", runner_of(team))
    (rule,) = approval.find_rules(settings, base, "production")
    assert (rule.principals, rule.count) == (("ana@example.com", "bo@example.com"), 1)
    assert approval.find_rules(settings, base, "qa") == ()


def test_no_rule_asks_for_nothing(team: Team) -> None:
    """A repository without approvals releases as before."""
    assert verify(team, team.commit("v1")) == []


def test_missing_approval_says_what_gives_it(team: Team) -> None:
    """The message names the people, and the hint is the command."""
    settings = team.commit("v1", rules=RULES, signers=team.signer("ana"))

    with pytest.raises(ApprovalError) as caught:
        verify(team, settings)

    expected = f"production needs 1 more approval of plan {PLAN.hex[:12]}, from ana@example.com, bo@example.com"
    assert caught.value.message == expected
    assert caught.value.hint == f"invoke approve --target production --plan {PLAN}"
    assert caught.value.exit_code == 3


def test_each_reason_has_its_own_sentence(team: Team) -> None:
    """Whoever waits for an approval reads why the one that is there does not count."""
    signers = team.signer("ana") + team.signer("bo") + team.signer("eve")
    settings = team.commit("v1", rules=RULES, signers=signers, revoked=team.signer("bo").split(" ", 1)[1])
    good = sign(team, "ana")
    records = [
        sign(team, "ana", hours=25),
        sign(team, "ana", hours=-1),
        replace(good, plan=OTHER),
        sign(team, "ana", target="qa"),
        sign(team, "eve"),
        sign(team, "ana", key="mallory"),
        sign(team, "bo"),
        replace(good, comment="changed"),
    ]
    name = "HEAD, since there is no remote"
    reasons = [
        "has expired: it counted for 24 h",
        "is of the future",
        f"is for another plan, {OTHER.hex[:12]}",
        "is for target qa, not for production",
        "does not count: eve@example.com is not in `from` of production",
        f"is signed with a key that is not of ana@example.com in allowed_signers of {name}, or not valid now",
        "is signed with a key that was revoked",
        "was changed after it was signed, or has no signature for an approval",
    ]

    with pytest.raises(ApprovalError) as caught:
        verify(team, settings, *records)

    sentences = re.findall(r"  - the approval of \S+ of \S+ \S+ UTC (.*)", caught.value.message)
    assert sentences == reasons


def test_damaged_record_is_named_and_does_no_harm(team: Team) -> None:
    """Anybody may push a file; it hides nobody's approval."""
    settings = team.commit("v1", rules=RULES, signers=team.signer("ana"))
    damaged = Damaged(name="x.json", problem="Expecting value")

    assert verify(team, settings, damaged, sign(team, "ana")) == ["ana@example.com"]
    with pytest.raises(ApprovalError, match=r"- x.json is damaged: Expecting value"):
        verify(team, settings, damaged)


def test_release_cannot_add_its_own_approver(team: Team) -> None:
    """The signers and the rules of what is served hold; the new ones count from the next release on."""
    team.commit("v1", rules=RULES, signers=team.signer("ana"))
    served = team.git("rev-parse", "HEAD")
    rules = 'production = {from = ["eve@example.com"]}'
    settings = team.commit("v2", rules=rules, signers=team.signer("ana") + team.signer("eve"))

    with pytest.raises(ApprovalError, match=r"eve@example.com in allowed_signers of commit \w{12}, which is served"):
        verify(team, settings, sign(team, "eve"), served=served)
    with pytest.raises(ApprovalError, match=r"from eve@example.com"):
        verify(team, settings, sign(team, "ana"), served=served)


def test_release_cannot_drop_the_rule(team: Team) -> None:
    """A commit without the table needs the approval that the release before needed."""
    team.commit("v1", rules=RULES, signers=team.signer("ana"))
    served = team.git("rev-parse", "HEAD")
    settings = team.commit("v2")

    with pytest.raises(ApprovalError, match=r"needs 1 more approval"):
        verify(team, settings, served=served)
    assert verify(team, settings, sign(team, "ana"), served=served) == ["ana@example.com"]


def test_served_commit_has_to_be_there(team: Team) -> None:
    """What is not in the repository may name other people."""
    settings = team.commit("v1", rules=RULES, signers=team.signer("ana"))

    with pytest.raises(ApprovalError, match=r"is not in this repository"):
        verify(team, settings, sign(team, "ana"), served="0" * 40)


def share(team: Team, bare: Path) -> Path:
    """Have a remote whose default branch is what the team has committed."""
    team.git("clone", "--quiet", "--bare", str(team.folder), str(bare))
    team.git("remote", "add", "origin", str(bare))
    return bare


@pytest.mark.parametrize("way", ["tag", "merge", "orphan"])
@pytest.mark.parametrize("is_served", [False, True], ids=["nothing served", "served without signers"])
def test_author_cannot_choose_the_base(team: Team, tmp_path: Path, way: str, *, is_served: bool) -> None:
    """Neither a tag nor a merge nor a history of one's own changes who may approve: the default branch says it."""
    team.commit()
    served = team.git("rev-parse", "HEAD") if is_served else ""
    team.commit(rules=RULES, signers=team.signer("ana"))
    share(team, tmp_path / "bare")
    team.git("checkout", "--quiet", *(["--orphan"] if way == "orphan" else ["-b"]), "eve")
    rules = 'production = ["eve@example.com"]'
    settings = team.commit("v1", rules=rules, signers=team.signer("eve"))
    if way == "merge":
        team.git("merge", "--quiet", "--no-ff", "--strategy=ours", "--message=Merge", "main")
    settings = team.commit("v2", rules=rules, signers=team.signer("eve"))

    with pytest.raises(ApprovalError, match=r"eve@example.com in allowed_signers of branch main of origin"):
        verify(team, settings, sign(team, "eve"), served=served)
    with pytest.raises(ApprovalError, match=r"from eve@example.com"):
        verify(team, settings, sign(team, "ana"), served=served)


def test_rule_of_the_default_branch_holds_for_the_first_release(team: Team, tmp_path: Path) -> None:
    """A branch that leaves the table out needs the approval, also in a clone that lacks the default branch."""
    team.commit()
    team.git("branch", "side")
    team.commit(rules=RULES, signers=team.signer("ana"))
    bare = share(team, tmp_path / "bare")
    team.git("clone", "--quiet", "--single-branch", "--branch=side", f"file://{bare}", str(tmp_path / "clone"))
    clone = replace(team, folder=tmp_path / "clone")
    settings = clone.commit("v1")

    with pytest.raises(ApprovalError, match=r"needs 1 more approval"):
        verify(clone, settings)
    assert verify(clone, settings, sign(team, "ana")) == ["ana@example.com"]


def test_first_release_counts_the_default_branch(team: Team, tmp_path: Path) -> None:
    """A remote without a commit has nobody who may approve, and needs nobody without a rule."""
    settings = team.commit("v1", rules=RULES, signers=team.signer("ana"))
    base = approval.load_base(team.folder, "", runner_of(team))
    assert (base.name, base.since) == ("HEAD, since there is no remote", "")

    team.git("init", "--quiet", "--bare", str(tmp_path / "empty"))
    team.git("remote", "add", "origin", str(tmp_path / "empty"))
    given = sign(team, "ana")
    with pytest.raises(ApprovalError, match=r"origin has no file allowed_signers"):
        verify(team, settings, given)
    with pytest.raises(ApprovalError) as caught:
        approval.approve(team.folder, settings, given, key=team.key("ana"), runner=runner_of(team), served="")
    assert caught.value.hint == "commit allowed_signers there, and push the branch"
    without = team.commit("v2")
    assert verify(team, without) == []
    with pytest.raises(ApprovalError, match=r"production asks for no approval"):
        approval.approve(team.folder, without, given, key=team.key("ana"), runner=runner_of(team), served="")


@pytest.mark.parametrize(
    ("remotes", "message"),
    [
        pytest.param({"origin": "nowhere"}, "origin cannot be asked for its default branch", id="away"),
        pytest.param({"one": ".", "other": "."}, "none of the remotes one, other is origin", id="several"),
    ],
)
def test_remote_that_cannot_tell_is_refused(team: Team, remotes: dict[str, str], message: str) -> None:
    """Nobody guesses who may approve."""
    settings = team.commit("v1", rules=RULES, signers=team.signer("ana"))
    for name, url in remotes.items():
        team.git("remote", "add", name, str(team.folder / url))

    with pytest.raises(ApprovalError, match=message):
        verify(team, settings, sign(team, "ana"))


def test_two_approvals_need_two_people_with_two_keys(team: Team) -> None:
    """Neither signing twice nor lending a key counts twice."""
    both = team.signer("ana") + team.signer("bo") + team.signer("ana").replace("ana@", "bo@")
    settings = team.commit("v1", rules=TWO, signers=both)

    with pytest.raises(ApprovalError, match=r"needs 1 more approval of plan \w+, from bo@example.com"):
        verify(team, settings, sign(team, "ana"), sign(team, "ana", hours=1))
    with pytest.raises(ApprovalError, match=r"is signed with the key of ana@example.com"):
        verify(team, settings, sign(team, "ana"), sign(team, "bo", key="ana"))
    assert verify(team, settings, sign(team, "ana"), sign(team, "bo")) == ["ana@example.com", "bo@example.com"]


def test_author_may_be_barred(team: Team) -> None:
    """Four eyes: whose commit is in the release does not approve it."""
    rules = 'production = {from = ["dev@example.com", "ana@example.com"], not-author = true}'
    settings = team.commit("v1", rules=rules, signers=team.signer("dev") + team.signer("ana"))

    with pytest.raises(ApprovalError, match=r"dev@example.com is an author of the release"):
        verify(team, settings, sign(team, "dev"))
    assert verify(team, settings, sign(team, "ana")) == ["ana@example.com"]


@pytest.mark.parametrize(
    ("options", "counts"),
    [
        pytest.param('namespaces="estiba-approval"', True, id="ours"),
        pytest.param('namespaces="git"', False, id="other"),
        pytest.param('valid-before="20200101"', False, id="expired"),
    ],
)
def test_options_of_allowed_signers_hold(team: Team, options: str, counts: bool) -> None:  # noqa: FBT001
    """A key may be limited to a namespace or a time."""
    settings = team.commit("v1", rules=RULES, signers=team.signer("ana", options))

    if counts:
        assert verify(team, settings, sign(team, "ana")) == ["ana@example.com"]
    else:
        with pytest.raises(ApprovalError, match=r"not valid now"):
            verify(team, settings, sign(team, "ana"))


def test_signature_for_something_else_does_not_count(team: Team) -> None:
    """What a person signs in git or for a file cannot be presented as an approval."""
    settings = team.commit("v1", rules=RULES, signers=team.signer("ana"))
    good = sign(team, "ana")
    argv = ["ssh-keygen", "-Y", "sign", "-q", "-n", "git", "-f", str(team.key("ana"))]
    signature = runner_of(team)(argv, stdin=good.payload).stdout

    with pytest.raises(ApprovalError, match=r"has no signature for an approval"):
        verify(team, settings, replace(good, signature=signature))


def test_revocation_in_the_released_commit_counts_at_once(team: Team) -> None:
    """A lost key does not wait for the next release."""
    team.commit("v1", rules=RULES, signers=team.signer("ana"))
    revoked = team.signer("ana").split(" ", 1)[1]
    settings = team.commit("v2", rules=RULES, signers=team.signer("ana"), revoked=revoked)

    with pytest.raises(ApprovalError, match=r"signed with a key that was revoked"):
        verify(team, settings, sign(team, "ana"))


def test_missing_ssh_keygen_says_what_to_install(team: Team) -> None:
    """The next step is the package."""
    lost = replace(team, program=str(team.keys / "nowhere"))
    team.key("ana")

    with pytest.raises(MissingProgramError) as caught:
        sign(lost, "ana")
    assert caught.value.hint == "install openssh-client"


def test_approvals_travel_without_touching_the_work_tree(team: Team, tmp_path: Path) -> None:
    """A clone gets what another one pushed; branch, index and files stay as they are."""
    settings = team.commit("v1", rules=RULES, signers=team.signer("ana"))
    bare, clone = tmp_path / "bare", tmp_path / "clone"
    team.git("clone", "--quiet", "--bare", str(team.folder), str(bare))
    team.git("clone", "--quiet", str(bare), str(clone))
    team.git("remote", "add", "origin", str(bare))
    good = sign(team, "ana")

    assert approval.store(team.folder, good, runner_of(team)) is True
    (loaded,) = approval.load(clone, PLAN, runner_of(team))

    assert loaded == good
    assert verify(team, settings, loaded) == ["ana@example.com"]
    assert team.git("status", "--porcelain", folder=clone) == team.git("status", "--porcelain") == ""
    assert team.git("branch", "--all").split() == ["*", "main"]


def test_concurrent_approvals_are_all_kept(team: Team, tmp_path: Path) -> None:
    """Who is overtaken fetches, adds and pushes again."""
    team.commit("v1", rules=TWO, signers=team.signer("ana"))
    bare = tmp_path / "bare"
    team.git("clone", "--quiet", "--bare", str(team.folder), str(bare))
    records = [sign(team, name) for name in ("ana", "bo", "cy", "di")]
    clones = [tmp_path / record.principal for record in records]
    for clone in clones:
        team.git("clone", "--quiet", str(bare), str(clone))
    threads = [
        threading.Thread(target=approval.store, args=(clone, record, runner_of(team)))
        for clone, record in zip(clones, records, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    found = approval.load(clones[0], PLAN, runner_of(team))
    assert {one.principal for one in found if isinstance(one, Approval)} == {one.principal for one in records}


def test_approval_is_kept_where_the_remote_is_away(team: Team, caplog: pytest.LogCaptureFixture) -> None:
    """The error says so, and the next approval takes it along."""
    team.commit("v1", rules=RULES, signers=team.signer("ana"))
    team.git("remote", "add", "origin", str(team.folder / "nowhere"))
    good = sign(team, "ana")

    with pytest.raises(ApprovalError, match=r"is kept here, and cannot be pushed to origin"):
        approval.store(team.folder, good, runner_of(team))
    assert approval.load(team.folder, PLAN, runner_of(team)) == (good,)
    assert "cannot be fetched" in caplog.text


def test_damaged_file_is_loaded_as_one(team: Team) -> None:
    """Text that is no record has the name of its file and the problem."""
    team.commit("v1")
    git = ref._Git(team.folder, runner_of(team))
    blob = git.write(json.dumps({"format": 2}))
    git.add({f"{PLAN.hex}-1.json": blob}, "ana", "Damage")

    (found,) = approval.load(team.folder, PLAN, runner_of(team))
    assert found == Damaged(name=f"{PLAN.hex}-1.json", problem="is of format 2, and this Estiba reads 1")


def test_approval_that_would_not_count_is_not_kept(team: Team) -> None:
    """Whoever may not approve hears it at once."""
    settings = team.commit("v1", rules=RULES, signers=team.signer("ana"))
    unsigned = Approval(target="production", plan=PLAN, principal="eve@example.com", at=NOW)

    with pytest.raises(ApprovalError, match=r"eve@example.com is not in `from` of production"):
        approval.approve(team.folder, settings, unsigned, key=team.key("eve"), runner=runner_of(team), served="")
    assert approval.load(team.folder, PLAN, runner_of(team)) == ()

    mine = replace(unsigned, principal="ana@example.com")
    given = approval.approve(team.folder, settings, mine, key=team.key("ana"), runner=runner_of(team), served="")
    assert approval.load(team.folder, PLAN, runner_of(team)) == (given,)
