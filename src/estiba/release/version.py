"""The commit that is released, its tag, and the version that the tag names; all from git."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from packaging.version import InvalidVersion, Version

from estiba.errors import PlanError
from estiba.release.settings import VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from estiba.process import Runner

_SHOWN: Final = 5
_UNDER_WAY: Final[Mapping[str, str]] = {
    "BISECT_LOG": "a bisection",
    "CHERRY_PICK_HEAD": "a cherry-pick",
    "MERGE_HEAD": "a merge",
    "REVERT_HEAD": "a revert",
    "rebase-apply": "a rebase",
    "rebase-merge": "a rebase",
}
"""What git keeps in its folder while a command waits for the user to go on (gitrepository-layout(5))."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Commit to release.

    Attributes:
        version: Version of the service.
        tag: Tag of the release.
        is_tagged: Whether the tag exists; if not, the release creates it as its last step.
        commit: Full hash of the commit.
        previous: Tag of the release before, or an empty string.
        remote: Name of the git remote that has the tags, or an empty string.
    """

    version: str
    tag: str
    is_tagged: bool
    commit: str
    previous: str
    remote: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """Git repository that a service lies in.

    Attributes:
        folder: Folder of the service.
        pattern: Name of a release's tag, with `{version}` for the version.
        runner: Runs git.
        env: Environment of git.
    """

    folder: Path
    pattern: str
    runner: Runner
    env: Mapping[str, str]

    def read(self, declared: str, *, tag: str = "") -> Source:
        """Return the commit that is checked out as the one to release.

        Args:
            declared: Version in the service's pyproject.toml.
            tag: Tag of the release, which need not exist yet; by default the one that the commit carries.

        Raises:
            PlanError: There is no such tag, it names another commit or version, or the checkout cannot be released.
        """
        self._refuse_unfit()
        commit = self.ask("rev-parse", "HEAD^{commit}")
        wanted = tag or self._tag_at(commit, declared)
        version = self._version(wanted, declared)
        found = self.resolve(wanted)
        self._refuse_other(wanted, version, commit)
        if found and found != commit:
            msg = f"{wanted} is commit {found[:12]}, and {commit[:12]} is checked out"
            raise PlanError(msg, hint=f"git checkout {wanted}")
        remote = self.remote()
        self.verify_remote(remote, wanted, commit)
        return Source(
            version=declared,
            tag=wanted,
            is_tagged=bool(found),
            commit=commit,
            previous=self._previous(version, wanted),
            remote=remote,
        )

    def resolve(self, tag: str) -> str:
        """Return the commit of a tag of this repository, empty if there is none."""
        found = self._run("rev-parse", "--verify", "--quiet", f"refs/tags/{tag}^{{commit}}", check=False)
        return found.strip()

    def remote(self) -> str:
        """Return the name of the remote that shares the tags: `origin`, or the only one; empty if there is none."""
        names = self.ask("remote").split()
        return "origin" if "origin" in names else names[0] if len(names) == 1 else ""

    def verify_remote(self, remote: str, tag: str, commit: str, *, must_exist: bool = False) -> None:
        """Check that a tag is the same commit in the remote, or is not there yet.

        Args:
            remote: Name of the remote; empty for none.
            tag: Name of the tag.
            commit: Commit of the tag here.
            must_exist: Refuse a remote that lacks the tag.

        Raises:
            CommandError: The remote cannot be reached, so the tag may have moved.
            PlanError: The tag names another commit there, or is missing.
        """
        if not remote:
            return
        # An annotated tag is an object of its own; the line with ^{} has the commit (git-ls-remote(1)).
        listed = self.ask("ls-remote", "--", remote, f"refs/tags/{tag}", f"refs/tags/{tag}^{{}}").splitlines()
        found = {name: commit for commit, name in (line.split("\t") for line in listed)}
        there = found.get(f"refs/tags/{tag}^{{}}") or found.get(f"refs/tags/{tag}", "")
        if there and there != commit:
            msg = f"{tag} has moved: it is commit {commit[:12]} here and {there[:12]} in {remote}"
            raise PlanError(msg, hint="a tag of a release names one commit for ever: tag a new version")
        if not there and must_exist:
            msg = f"{tag} is not in {remote}"
            raise PlanError(msg, hint=f"git push {remote} refs/tags/{tag}")

    def create(self, source: Source, notes: str) -> None:
        """Create the annotated tag of a release with its notes, and push it; a tag that is there is left alone.

        Raises:
            CommandError: The tag cannot be created, or the remote refuses it; one of another commit is not replaced.
        """
        if not self.resolve(source.tag):
            # Lines that begin with # are headings of the notes, not comments.
            arguments = ("--annotate", "--cleanup=whitespace", "--file=-", source.tag, source.commit)
            self._run("tag", *arguments, stdin=f"{source.tag}\n\n{notes}")
        if source.remote:
            # Without --force git refuses to move a tag, so of two that create it one fails.
            self.ask("push", "--quiet", "--", source.remote, f"refs/tags/{source.tag}")

    def subjects(self, since: str, until: str) -> tuple[str, ...]:
        """Return the subjects of the commits after a tag, newest first, without merges.

        Args:
            since: Tag that is left out with all before it; empty for the whole history.
            until: Commit that is the last one.
        """
        commits = f"refs/tags/{since}..{until}" if since else until
        # The whole repository, or only what belongs to the service where it is one of several.
        paths = () if self._is_whole() else ("--", ".")
        listed = self.ask("log", "--no-merges", "--format=%s", commits, *paths)
        return tuple(_printable(line) for line in listed.splitlines())

    def ask(self, *arguments: str) -> str:
        """Run git and return its standard output, without white space around it."""
        return self._run(*arguments).strip()

    def _refuse_unfit(self) -> None:
        """Refuse a checkout that is not exactly one commit with its history."""
        if self._run("rev-parse", "--is-inside-work-tree", check=False).strip() != "true":
            msg = f"{self.folder} is in no git repository, so there is no commit to release"
            raise PlanError(msg, hint="git init, commit, and tag the commit")
        if not self._run("rev-parse", "--verify", "--quiet", "HEAD^{commit}", check=False).strip():
            msg = f"the repository of {self.folder} has no commit"
            raise PlanError(msg, hint="git commit")
        if self.ask("rev-parse", "--is-shallow-repository") == "true":
            msg = "the clone is shallow: the release before and the changelog are not in it"
            hint = "git fetch --unshallow --tags; in GitHub Actions fetch-depth: 0, in GitLab CI GIT_DEPTH: 0"
            raise PlanError(msg, hint=hint)
        place = Path(self.ask("rev-parse", "--absolute-git-dir"))
        if left := [what for name, what in _UNDER_WAY.items() if (place / name).exists()]:
            msg = f"{left[0]} is under way in {self.folder}"
            raise PlanError(msg, hint="git status says how to end it")
        if changed := self.ask("status", "--porcelain", "--untracked-files=no").splitlines():
            names = [line.strip().partition(" ")[2].strip() for line in changed[:_SHOWN]]
            more = f" and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
            msg = f"uncommitted changes would not be released: {', '.join(names)}{more}"
            raise PlanError(msg, hint="git commit, or git stash")
        self._refuse_hidden()

    def _refuse_hidden(self) -> None:
        """Refuse files whose changes git was told not to look for (git-update-index(1)), so that nobody sees them.

        Those of a sparse checkout are not there.
        """
        top = Path(self.ask("rev-parse", "--show-toplevel"))
        listed = self._run("ls-files", "-v", "-z", "--full-name", ":/").split("\0")
        hidden = [line[2:] for line in listed if line[:1].islower() or (line[:1] == "S" and (top / line[2:]).exists())]
        if hidden:
            msg = f"git does not look for changes of {', '.join(hidden[:_SHOWN])}"
            raise PlanError(msg, hint=f"git update-index --no-assume-unchanged --no-skip-worktree {hidden[0]}")

    def _refuse_other(self, tag: str, version: Version, commit: str) -> None:
        """Refuse a tag that names no commit, and another tag of the version that names another one."""
        for name in self.ask("tag", "--list", self.pattern.replace(VERSION, "*")).split():
            found = self.resolve(name) if name == tag or self._parse(name) == version else commit
            if not found:
                msg = f"tag {name} names no commit"
                raise PlanError(msg, hint=f"git tag --delete {name}")
            if name != tag and found != commit:
                msg = f"{name} is version {version} too, of commit {found[:12]}"
                raise PlanError(msg, hint="the tag of a version names one commit for ever: release the next version")

    def _tag_at(self, commit: str, declared: str) -> str:
        found = [name for name in self.ask("tag", "--points-at", commit).split() if self._parse(name)]
        if len(found) == 1:
            return found[0]
        if found:
            msg = f"commit {commit[:12]} carries several tags of releases: {', '.join(found)}"
            raise PlanError(msg, hint=f"--tag {found[-1]} chooses one")
        branch = self._run("symbolic-ref", "--quiet", "--short", "HEAD", check=False).strip()
        where = f"branch {branch}" if branch else "HEAD is detached"
        wanted = self.pattern.replace(VERSION, declared)
        msg = f"commit {commit[:12]} ({where}) carries no tag of a release, such as {wanted}"
        if known := self.resolve(wanted):
            msg = f"commit {commit[:12]} ({where}) carries no tag of a release, and {wanted} is commit {known[:12]}"
            raise PlanError(msg, hint=f"git checkout {wanted}, or raise [project] version, commit and tag that commit")
        raise PlanError(
            msg, hint=f"git checkout TAG, or git tag {wanted}; with --tag {wanted} the release does it last"
        )

    def _version(self, tag: str, declared: str) -> Version:
        version = self._parse(tag)
        if version is None:
            msg = f"{tag} is no tag of a release, which is {self.pattern} with a version (PEP 440)"
            raise PlanError(msg, hint="`tag` in [tool.estiba.release] of pyproject.toml says how tags are named")
        if version != _parse_version(declared):
            msg = f"{tag} is version {version}, and pyproject.toml has [project] version {declared}"
            raise PlanError(msg, hint=f"set version = '{version}', commit, and tag that commit")
        return version

    def _previous(self, version: Version, tag: str) -> str:
        """Return the tag of the last release before a version; a final release passes over pre-releases."""
        listed = self.ask("tag", "--list", self.pattern.replace(VERSION, "*")).split()
        found = [(known, name) for name in listed if name != tag and (known := self._parse(name)) and known < version]
        finals = [pair for pair in found if version.is_prerelease or not pair[0].is_prerelease]
        return max(finals, default=(version, ""))[1]

    def _parse(self, tag: str) -> Version | None:
        before, _, after = self.pattern.partition(VERSION)
        found = re.fullmatch(f"{re.escape(before)}(.+){re.escape(after)}", tag)
        return _parse_version(found[1]) if found else None

    def _is_whole(self) -> bool:
        return Path(self.ask("rev-parse", "--show-toplevel")) == self.folder.resolve()

    def _run(self, *arguments: str, check: bool = True, stdin: str = "") -> str:
        argv: Sequence[str] = ["git", *arguments]
        return self.runner(argv, cwd=self.folder, env=self.env, check=check, stdin=stdin).stdout


def _parse_version(text: str) -> Version | None:
    try:
        return Version(text)
    except InvalidVersion:
        return None


def _printable(text: str) -> str:
    """Return a commit's subject without control characters, which a terminal would obey."""
    return "".join(letter for letter in text if letter.isprintable())
