"""Outputs of a service's flake, and the flake's lock file."""

from __future__ import annotations

import json
import logging
import re
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlencode

from estiba import files
from estiba.build import copied, tracked, untracked
from estiba.build.explain import explain, explain_flake
from estiba.digest import Digest
from estiba.errors import CommandError, ConfigError
from estiba.nix import commands as nix
from estiba.nix import substituters
from estiba.nix.log import BuildLog
from estiba.process import run
from estiba.service import project as projects

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from estiba.config import Config
    from estiba.process import Runner

LOCK: Final = "estiba.lock"
_RESULTS: Final = ".estiba"
_PLAIN: Final = re.compile(r"[^#?%&=^\s]+")
_log = logging.getLogger(__name__)


def realise(
    folder: Path,
    attribute: str,
    config: Config,
    *,
    out_link: Path | None = None,
    options: Sequence[str] = (),
    on_status: Callable[[str], None] | None = None,
    log: BuildLog | None = None,
    runner: Runner = run,
) -> Path:
    """Build an output of a service's flake, or of a service without a flake, and return its store path.

    Failures of substituters are logged as warnings; the build goes on without them.

    Args:
        folder: Folder of the service.
        attribute: Name of the flake output.
        config: Settings from the environment.
        out_link: Path of a symbolic link to the output, registered as a garbage collector root.
        options: More arguments for Nix.
        on_status: Called with one progress message at a time.
        log: Log to fill, for a caller that reads it; by default a new one.
        runner: Runs Nix.

    Raises:
        ArtifactError: Locked artifacts are not in the store.
        BuildError: The evaluation or the build failed; the message has the last lines of the log.
    """
    build_log = log or BuildLog()

    def follow(line: str) -> None:
        build_log.feed(line)
        if on_status:
            on_status(build_log.status)

    if out_link:
        _hide_results(folder)
    unknown = _tell_unknown(folder, runner)
    # The list of derivations to build has the level info, which takes -v.
    flags = ["--log-format", "internal-json", "-v", *options]
    try:
        return nix.build(
            *installable_arguments(folder, attribute, config),
            lock_file=lock_inputs(folder, config, options=options, runner=runner),
            options=flags,
            out_link=out_link,
            sandbox=config.sandbox,
            on_line=follow,
            runner=runner,
        )
    except CommandError as error:
        raise explain(build_log, error, folder / LOCK, untracked.describe(unknown)) from error
    finally:
        for sentence in substituters.explain_failures(build_log):
            _log.warning(sentence)


def _tell_unknown(folder: Path, runner: Runner) -> list[str]:
    """Return the files that git does not know; refuse those that every build needs, and warn of a service's own.

    In a folder outside of git there are none, and what should not be copied is refused.
    """
    if not files.find_repository(folder.resolve()):
        if found := copied.find(folder):
            project = projects.load(folder)
            for sentence in copied.check(folder, found, exclude=project.exclude, include=project.include):
                _log.warning(sentence)
        return []
    unknown = untracked.find(folder, runner=runner)
    untracked.refuse_needed(unknown)
    project = projects.load(folder)
    for sentence in tracked.check(folder, exclude=project.exclude, include=project.include, runner=runner):
        _log.warning(sentence)
    ignored = untracked.find_ignored(folder, runner=runner)
    if sentence := untracked.describe(ignored, ignored=True):
        _log.warning(sentence)
    if sentence := untracked.describe(untracked.choose(unknown)):
        _log.warning(sentence)
    return unknown


def _hide_results(folder: Path) -> None:
    """Let git ignore the folder of results, which has links into the store, whatever the service's .gitignore says."""
    path = folder / _RESULTS / ".gitignore"
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        path.write_text("*\n", encoding="utf-8")


def installable_arguments(folder: Path, attribute: str, config: Config) -> tuple[str, ...]:
    """Return the arguments of a nix command that select an output of a service.

    Without a flake.nix it is an attribute of `nix/folder.nix`, which calls `mkService` for the folder.

    Raises:
        ConfigError: The folder has no flake.nix, and the flake of Estiba is not configured.
    """
    if (folder / "flake.nix").exists():
        return (f"{refer(folder)}#{attribute}",)
    if not config.flake:
        raise ConfigError(
            str(folder),
            ["no flake.nix, and ESTIBA_FLAKE is not set"],
            hint="enter the development shell first: ./nixw develop",
        )
    library = config.flake.removeprefix("path:")
    file = f"{library}/nix/folder.nix"
    return (attribute, "--impure", "--file", file, "--argstr", "folder", str(folder.resolve()))


def refer(folder: Path) -> str:
    """Return the flake reference of a folder: its path, or a URL for one with characters that mean something there."""
    place = folder.resolve()
    if _PLAIN.fullmatch(str(place)):
        return str(place)
    top = files.find_repository(place)
    if top is None:
        return f"path:{quote(str(place))}"
    # What Nix makes of a path.
    given = {"dir": str(place.relative_to(top))} if top != place else {}
    given |= {"shallow": "1"} if (top / ".git" / "shallow").exists() else {}
    return f"git+file://{quote(str(top))}" + (f"?{urlencode(given, quote_via=quote)}" if given else "")


def lock_inputs(folder: Path, config: Config, *, options: Sequence[str] = (), runner: Runner = run) -> Path | None:
    """Write a copy of the flake's lock file whose input `estiba` is the running Estiba, and return its path.

    `--override-input` would have the same effect, but Nix then treats the source as dirty and hides its commit.

    Returns:
        The path, or None without a flake.nix, or if the flake of Estiba is not configured.

    Raises:
        BuildError: The flake cannot be evaluated.
    """
    if not config.flake or not (folder / "flake.nix").exists():
        return None
    own = folder / "flake.lock"
    key = "\n".join([config.flake, (folder / "flake.nix").read_text(), own.read_text() if own.exists() else ""])
    _hide_results(folder)
    path = folder.resolve() / _RESULTS / f"flake-{Digest.of_bytes(key.encode()).hex[:16]}.lock"
    if not path.exists() or not _is_fixed(config.flake):
        try:
            locks = nix.lock(refer(folder), {"estiba": config.flake}, options=options, runner=runner)
        except CommandError as error:
            raise explain_flake(folder, error) from error
        files.write(path, json.dumps(locks, indent=2, sort_keys=True), mode=0o644)
    return path


def _is_fixed(flake: str) -> bool:
    """Tell whether a flake reference always has the same contents, as a store path has."""
    return flake.removeprefix("path:").startswith("/nix/store/")
