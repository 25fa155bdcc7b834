"""Who may approve: `[tool.estiba.release.approvals]`, now and as of the release before."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from estiba.errors import ApprovalError, ConfigError, describe_unknown
from estiba.release.settings import VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from estiba.process import Runner
    from estiba.release.settings import Settings

SIGNERS: Final = "allowed_signers"
"""File with principals and their keys, beside pyproject.toml (ssh-keygen(1), "ALLOWED SIGNERS")."""

REVOKED: Final = "revoked_signers"
"""File with public keys that no longer count, beside pyproject.toml (ssh-keygen(1), `-r`)."""

_KEYS: Final = ("count", "from", "hours", "not-author")
_HOURS: Final = 24
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
    """What the commit of the release before says about approvals.

    Attributes:
        name: Tag or commit; empty before the first release.
        signers: Content of `allowed_signers`.
        revoked: Content of `revoked_signers`, of the base and of the commit that is released.
        approvals: Table `[tool.estiba.release.approvals]`.
    """

    name: str
    signers: str
    revoked: str
    approvals: Mapping[str, Any]


def required(settings: Settings, target: str) -> tuple[tuple[str, ...], int]:
    """Return who may approve a release to a target, and how many have to; nobody and 0 without a rule.

    Raises:
        ConfigError: The settings of the approvals are invalid; the message lists all problems.
    """
    policy = parse(settings.approvals).get(target)
    return (policy.principals, policy.count) if policy else ((), 0)


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


def find_base(folder: Path, settings: Settings, runner: Runner) -> str:
    """Return the tag of the release before the one in HEAD, or an empty string for the first one.

    Raises:
        ApprovalError: The clone lacks history or tags, so that nobody can tell.
    """
    pattern = settings.tag.replace(VERSION, "[0-9]*")
    # From the parent on: the tag of this release may be there already.
    found = _ask(folder, ["describe", "--tags", "--abbrev=0", "--match", pattern, "HEAD^"], runner)
    if found:
        return found
    # Without this the commit of a release could name its own approvers wherever CI clones little.
    if _ask(folder, ["rev-parse", "--is-shallow-repository"], runner) != "false":
        msg = "this clone is shallow, or none, so that the release before cannot be found"
        raise ApprovalError(msg, hint="git fetch --unshallow --tags")
    if "origin" in _ask(folder, ["remote"], runner).split():
        _require_tags(folder, pattern, runner)
    return ""


def _require_tags(folder: Path, pattern: str, runner: Runner) -> None:
    """Raise an error if the remote has a tag of a release that is not here."""
    done = runner(["git", "-C", str(folder), "ls-remote", "--tags", "--refs", "origin", pattern], check=False)
    if done.code:
        msg = f"the remote cannot be asked for the tags of earlier releases\n{done.tail}"
        raise ApprovalError(msg)
    for line in done.stdout.splitlines():
        tag = line.rpartition("refs/tags/")[2]
        if not _has(folder, f"refs/tags/{tag}", runner):
            msg = f"the remote has the tag {tag}, and this clone has not, so that the release before cannot be found"
            raise ApprovalError(msg, hint="git fetch --tags")


def load_base(folder: Path, base: str, runner: Runner) -> Base:
    """Read who may approve from the commit of the release before.

    A release that adds an approver, or takes a rule away, is thus approved by those who could before. Where that commit
    has no `allowed_signers`, there were no approvals yet, and HEAD's counts. Keys that HEAD revokes count at once.

    Raises:
        ApprovalError: The base is no commit that the repository has, or its settings cannot be read.
    """
    if base and not _has(folder, base, runner):
        msg = f"the commit of the release before, {base}, is not in this repository"
        raise ApprovalError(msg, hint="git fetch --unshallow --tags")
    signers = _show(folder, base, SIGNERS, runner) if base else ""
    revision = base if signers else "HEAD"
    signers = signers or _show(folder, "HEAD", SIGNERS, runner)
    revoked = [_show(folder, one, REVOKED, runner) for one in dict.fromkeys([revision, "HEAD"])]
    text = _show(folder, revision, "pyproject.toml", runner)
    return Base(name=base, signers=signers, revoked="".join(revoked), approvals=_read_approvals(text, revision))


def find_authors(folder: Path, base: str, runner: Runner) -> frozenset[str]:
    """Return the mail addresses of the authors and committers of a release's commits."""
    commits = [f"{base}..HEAD"] if base else ["HEAD"]
    return frozenset(_ask(folder, ["log", "--format=%ae%n%ce", *commits], runner).split())


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
    if type(hours) not in {int, float} or hours <= 0:
        problems.append(f"'hours' must be a number above 0, not {hours!r}")
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
