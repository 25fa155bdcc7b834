"""Who may approve: `[tool.estiba.release.approvals]` and `allowed_signers`, of the release and of its base."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from estiba.errors import ApprovalError, ConfigError, describe_unknown

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from estiba.deploy.target import Target
    from estiba.process import Runner
    from estiba.release.settings import Settings

SIGNERS: Final = "allowed_signers"
"""File with principals and their keys, beside pyproject.toml (ssh-keygen(1), "ALLOWED SIGNERS")."""

REVOKED: Final = "revoked_signers"
"""File with public keys that no longer count, beside pyproject.toml (ssh-keygen(1), `-r`)."""

_COMMIT: Final = re.compile(r"[0-9a-f]{40,64}")
"""A commit that was built without changes."""

_REMOTE: Final = "origin"
_FETCHED: Final = "refs/estiba/fetched/default"
_SHORT: Final = 12
_KEYS: Final = ("count", "from", "hours", "not-author")
_HOURS: Final = 24
_LONGEST: Final = 24 * 366
"""Hours for which an approval may count at most."""
_PRINCIPAL: Final = re.compile(r"[^\s,*?!\"]+")
"""A principal itself, not a pattern: otherwise one key could be several people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Rule for the approvals of a target.

    Attributes:
        principals: Who may approve.
        count: Number of principals who have to.
        hours: Hours for which an approval counts.
        bars_author: Whether authors of the release's commits do not count.
    """

    principals: tuple[str, ...]
    count: int
    hours: float
    bars_author: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """What a commit says about approvals that the author of the release has not chosen.

    Attributes:
        name: The commit, or the branch that it was taken from, for people.
        since: Commit that is served; empty where nothing is.
        signers: Content of `allowed_signers`.
        revoked: Lines of `revoked_signers`, of the base, of the commit that is released and of the default branch.
        approvals: Table `[tool.estiba.release.approvals]`.
    """

    name: str
    since: str
    signers: str
    revoked: str
    approvals: Mapping[str, Any]


def find_rules(settings: Settings, base: Base, target: str) -> tuple[Policy, ...]:
    """Return the rules for a target: those of the commit that is released, and those of the base.

    Raises:
        ConfigError: The settings of the approvals are invalid; the message lists all problems.
    """
    found = (parse(table).get(target) for table in (settings.approvals, base.approvals))
    return tuple(dict.fromkeys(rule for rule in found if rule is not None))


def parse(table: Mapping[str, Any], where: str = "pyproject.toml") -> dict[str, Policy]:
    """Parse the rules by target; a list in place of a table names the principals.

    Raises:
        ConfigError: Rules are invalid; the message lists all problems.
    """
    rules: dict[str, Any] = {name: {"from": rule} if isinstance(rule, list) else rule for name, rule in table.items()}
    problems = [f"{name}: {problem}" for name, rule in rules.items() for problem in _check(rule)]
    if problems:
        place = f"{where} [tool.estiba.release.approvals]"
        raise ConfigError(place, problems)
    return {
        name: Policy(
            principals=tuple(dict.fromkeys(rule["from"])),
            count=rule.get("count", 1),
            hours=rule.get("hours", _HOURS),
            bars_author=rule.get("not-author", False),
        )
        for name, rule in rules.items()
    }


def find_served(target: Target) -> str:
    """Return the commit that a target serves, which says who may approve the next one; empty if it serves none.

    Raises:
        TargetError: The target cannot be reached.
    """
    served = target.status().release
    return parse_served(served.commit) if served else ""


def parse_served(commit: str) -> str:
    """Return a commit that a release manifest names if it is one of git's, else an empty string."""
    return commit if _COMMIT.fullmatch(commit) else ""


def load_base(folder: Path, served: str, runner: Runner) -> Base:
    """Read who may approve from a commit that the author of the release has not chosen.

    That is the commit that the target serves: a release that adds an approver, or takes a rule away, is approved by
    those who could before. Where nothing is served, or what is served knew no approvals, it is the default branch as
    the remote has it; tags, and the branch that is released, are the author's. Without a remote all is one person's,
    and HEAD decides. What HEAD or the default branch revokes is revoked at once: the author of the release chooses
    neither the commit that is served nor, with an older commit, which keys were lost since.

    Args:
        folder: Folder of the service, in a git repository; HEAD is the commit that is released.
        served: Result of `find_served`.
        runner: Runs git.

    Raises:
        ApprovalError: Nobody can tell: the commit is not in the repository, the remote does not answer, or the
            settings cannot be read.
    """
    if served and not _has(folder, served, runner):
        msg = f"the commit that is served, {served}, is not in this repository"
        raise ApprovalError(msg, hint="git fetch --unshallow --tags")
    default, name = _find_default(folder, runner)
    revision = default
    if served and _show(folder, served, SIGNERS, runner):
        revision, name = served, f"commit {served[:_SHORT]}, which is served"
    if not revision:
        return Base(name=name, since=served, signers="", revoked="", approvals={})
    commits = dict.fromkeys(one for one in (revision, "HEAD", default) if one)
    # Each key on a line of its own, also where a file does not end in a newline.
    revoked = dict.fromkeys(line for one in commits for line in _show(folder, one, REVOKED, runner).splitlines())
    return Base(
        name=name,
        since=served,
        signers=_show(folder, revision, SIGNERS, runner),
        revoked="".join(f"{line}\n" for line in revoked),
        approvals=_read_approvals(_show(folder, revision, "pyproject.toml", runner), name),
    )


def _find_default(folder: Path, runner: Runner) -> tuple[str, str]:
    """Return the commit of the remote's default branch, empty if it has none, and its name for people."""
    remotes = _ask(folder, ["remote"], runner).split()
    if not remotes:
        return "HEAD", "HEAD, since there is no remote"
    if len(remotes) > 1 and _REMOTE not in remotes:
        msg = f"none of the remotes {', '.join(remotes)} is {_REMOTE}, whose default branch says who may approve"
        raise ApprovalError(msg, hint=f"git remote rename NAME {_REMOTE}")
    remote = _REMOTE if _REMOTE in remotes else remotes[0]
    # Its first line is `ref: refs/heads/main<tab>HEAD`, its last one the commit (git-ls-remote(1)).
    listed = _ask_remote(folder, remote, ["ls-remote", "--symref", remote, "HEAD"], runner).splitlines()
    found = {place: what for what, place in (line.split("\t") for line in listed) if not what.startswith("ref: ")}
    branch = next((line.split("\t")[0].removeprefix("ref: refs/heads/") for line in listed if "ref: " in line), "HEAD")
    commit = found.get("HEAD", "")
    if commit and not _has(folder, commit, runner):
        fetch = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", remote, f"+HEAD:{_FETCHED}"]
        _ask_remote(folder, remote, fetch, runner)
    return commit, f"branch {branch} of {remote}"


def _ask_remote(folder: Path, remote: str, arguments: list[str], runner: Runner) -> str:
    done = runner(["git", "-C", str(folder), *arguments], check=False)
    if done.code:
        msg = f"{remote} cannot be asked for its default branch, which says who may approve\n{done.tail}"
        raise ApprovalError(msg, hint=f"git ls-remote {remote} HEAD")
    return done.stdout


def find_authors(folder: Path, since: str, runner: Runner) -> frozenset[str]:
    """Return the mail addresses of the authors and committers of a release's commits, case-folded.

    Args:
        folder: Folder of the service, in a git repository.
        since: Commit that is served; empty for none, so that the whole history is released.
        runner: Runs git.

    Raises:
        ApprovalError: The commits cannot be read, so that anybody may be an author.
    """
    commits = [f"{since}..HEAD"] if since else ["HEAD"]
    done = runner(["git", "-C", str(folder), "log", "--format=%ae%n%ce", *commits], check=False)
    if done.code:
        msg = f"the authors of the release cannot be read: {done.tail}"
        raise ApprovalError(msg, hint="git fsck")
    return frozenset(done.stdout.casefold().split())


def _read_approvals(text: str, revision: str) -> Mapping[str, Any]:
    try:
        table = tomllib.loads(text).get("tool", {}).get("estiba", {}).get("release", {}).get("approvals", {})
        parse(table, f"pyproject.toml of {revision}")
    except (tomllib.TOMLDecodeError, AttributeError) as error:
        msg = f"pyproject.toml of {revision} cannot be read: {error}"
        raise ApprovalError(msg) from error
    found: Mapping[str, Any] = table
    return found


def _check(rule: object) -> list[str]:
    if not isinstance(rule, dict):
        return [f"must be a table such as {{from = ['ana@example.com']}}, not {rule!r}"]
    problems = [describe_unknown(key, dict.fromkeys(_KEYS)) for key in rule if key not in _KEYS]
    principals = rule.get("from")
    if not isinstance(principals, list) or not principals:
        return [*problems, f"'from' must be a list of mail addresses, not {principals!r}"]
    wrong = [one for one in principals if not isinstance(one, str) or not _PRINCIPAL.fullmatch(one)]
    problems += [f"'from' has {one!r}, which is no single principal" for one in wrong]
    count, hours = rule.get("count", 1), rule.get("hours", _HOURS)
    if type(count) is not int or not 1 <= count <= len(set(map(str, principals))):
        problems.append(f"'count' must be a whole number from 1 to the length of 'from', not {count!r}")
    # Not a number (NaN) is neither.
    if type(hours) not in {int, float} or not 0 < hours <= _LONGEST:
        problems.append(f"'hours' must be a number above 0 and up to {_LONGEST}, not {hours!r}")
    if type(rule.get("not-author", False)) is not bool:
        problems.append(f"'not-author' must be true or false, not {rule['not-author']!r}")
    return problems


def _has(folder: Path, revision: str, runner: Runner) -> bool:
    return bool(_ask(folder, ["rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}"], runner))


def _show(folder: Path, revision: str, name: str, runner: Runner) -> str:
    listed = runner(["git", "-C", str(folder), "ls-tree", "--name-only", revision, "--", f"./{name}"], check=False)
    if listed.code == 0 and not listed.stdout.strip():
        return ""
    done = runner(["git", "-C", str(folder), "show", f"{revision}:./{name}"], check=False)
    if done.code:
        # A file that is there and cannot be read must not count as one that is not there: HEAD would decide.
        msg = f"{name} of {revision} cannot be read: {done.tail}"
        raise ApprovalError(msg, hint="git fetch --refetch --tags")
    return done.stdout


def _ask(folder: Path, arguments: list[str], runner: Runner) -> str:
    done = runner(["git", "-C", str(folder), *arguments], check=False)
    return done.stdout.strip() if done.code == 0 else ""
