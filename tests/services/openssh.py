"""ssh-keygen, and repositories whose releases people approve with it."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tests.services import debian

from estiba.process import run
from estiba.release import settings
from estiba.service import project as projects

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from estiba.process import Runner
    from estiba.release.settings import Settings

HEAD: Final = '[project]\nname = "shop"\nversion = "1"\ndependencies = []\n[tool.estiba]\nmanage = ""\n'
TARGETS: Final = "[tool.estiba.targets]\nqa = {}\nproduction = {}\n"
AUTHOR: Final = "dev@example.com"
_CLIENT: Final = "openssh-client"


def find_program(folder: Path) -> str:
    """Return the path of ssh-keygen: the machine's, or Debian's with its own libraries."""
    if found := shutil.which("ssh-keygen"):
        return found
    return str(debian.script(debian.unpack(_CLIENT), "ssh-keygen", folder))


def find_words(name: str) -> list[str]:
    """Return the words that start a program of OpenSSH: the machine's, or Debian's with its own libraries."""
    if found := shutil.which(name):
        return [found]
    return debian.words(debian.unpack(_CLIENT), name)


def make_keys(folder: Path, *names: str) -> dict[str, Path]:
    """Make a key for each name; its public part lies beside it and ends in `.pub`."""
    folder.mkdir(parents=True)
    for name in names:
        words = [*find_words("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(folder / name)]
        subprocess.run(words, check=True, stdin=subprocess.DEVNULL)
    return {name: folder / name for name in names}


@dataclass(frozen=True, slots=True, kw_only=True)
class Team:
    """People with keys, and a repository.

    Attributes:
        folder: The repository.
        keys: Folder with a key for each person.
        program: ssh-keygen.
    """

    folder: Path
    keys: Path
    program: str

    def run(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        stdin: str | None = None,
        check: bool = True,
        on_line: object = None,
    ) -> object:
        """Run a command as `estiba.process.run` does, with this ssh-keygen."""
        del on_line
        words = [self.program, *argv[1:]] if argv[0] == "ssh-keygen" else argv
        return run(words, env=env, cwd=cwd, stdin=stdin, check=check)

    def git(self, *arguments: str, folder: Path | None = None) -> str:
        """Run git in the repository, or another one."""
        return git(folder or self.folder, *arguments)

    def key(self, name: str) -> Path:
        """Return the key of a person, made at the first call."""
        path = self.keys / name
        if not path.exists():
            words = [self.program, "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(path)]
            subprocess.run(words, check=True, stdin=subprocess.DEVNULL)
        return path

    def signer(self, name: str, options: str = "") -> str:
        """Return the line of `allowed_signers` for a person."""
        public = self.key(name).with_suffix(".pub").read_text().split()
        return " ".join(filter(None, [f"{name}@example.com", options, *public[:2]])) + "\n"

    def commit(self, tag: str = "", *, rules: str = "", signers: str = "", revoked: str = "") -> Settings:
        """Commit the rules and the signers, tag the commit, and return its settings."""
        table = f"[tool.estiba.release.approvals]\n{rules}\n" if rules else ""
        (self.folder / "pyproject.toml").write_text(f"{HEAD}{TARGETS}{table}")
        for name, text in (("allowed_signers", signers), ("revoked_signers", revoked)):
            (self.folder / name).unlink(missing_ok=True)
            if text:
                (self.folder / name).write_text(text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", tag or "A change")
        if tag:
            self.git("tag", tag)
        return settings.parse(projects.load(self.folder))


def git(folder: Path, *arguments: str) -> str:
    """Run git in a folder as the author of all changes."""
    env = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    identity = ["-c", "user.name=dev", "-c", f"user.email={AUTHOR}", "-c", "init.defaultBranch=main"]
    argv = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(argv, env=env, check=True, capture_output=True, text=True).stdout.strip()


def make_team(folder: Path) -> Team:
    """Make an empty repository, and a folder for keys."""
    for name in ("repository", "keys"):
        (folder / name).mkdir(parents=True)
    git(folder / "repository", "init", "--quiet")
    return Team(folder=folder / "repository", keys=folder / "keys", program=find_program(folder))


def runner_of(team: Team) -> Runner:
    """Return the runner of a team, as the library takes it."""
    return team.run  # type: ignore[return-value] # `on_line` is of no use here
