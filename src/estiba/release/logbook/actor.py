"""Actor of an entry: the person, or the CI system's user, who runs a command."""

from __future__ import annotations

import getpass
import os
from typing import TYPE_CHECKING

from estiba.process import run

if TYPE_CHECKING:
    from pathlib import Path

    from estiba.config import Config
    from estiba.process import Runner


def find(folder: Path, config: Config, *, runner: Runner = run) -> str:
    """Return the CI system's user, else the identity that git has, else the login name.

    Args:
        folder: Folder in the git repository.
        config: Settings from the environment.
        runner: Runs git.
    """
    if config.actor:
        return config.actor
    answers = [
        runner(["git", "-C", str(folder), "config", "--get", f"user.{name}"], env=config.environment(), check=False)
        for name in ("name", "email")
    ]
    name, email = (answer.stdout.strip() for answer in answers)
    if name or email:
        return f"{name} <{email}>".strip() if email else name
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container may run as a user ID that has no entry in passwd(5).
        return str(os.getuid())
