"""A service's flake: its outputs, built by Nix."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Final

from estiba import files
from estiba.build.explain import explain
from estiba.digest import Digest
from estiba.errors import BuildError, CommandError, ConfigError
from estiba.nix import commands as nix
from estiba.nix import substituters
from estiba.nix.log import BuildLog
from estiba.process import run

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from estiba.config import Config
    from estiba.process import Runner

LOCK: Final = "estiba.lock"
_RESULTS: Final = ".estiba"
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
    """Build one output of a service's flake, or of its folder where it has none, and return its store path.

    A binary cache that is of no use stops nothing; it is logged as a warning.

    Args:
        folder: The service's folder.
        attribute: The output.
        config: The environment's settings.
        out_link: Where to put a symlink that keeps the result from being collected.
        options: More arguments for Nix.
        on_status: Called with one line at a time that says how far the build is.
        log: Gets what the build says, for a caller that wants to read it.
        runner: Runs the commands.

    Raises:
        ArtifactError: Something that the lock names is not in the store.
        BuildError: The evaluation or the build failed; the message has the last lines of its log.
    """
    said = log or BuildLog()

    def follow(line: str) -> None:
        said.feed(line)
        if on_status:
            on_status(said.status)

    words = ["--log-format", "internal-json", "-v", *options]
    try:
        return nix.build(
            *source_words(folder, attribute, config),
            lock_file=lock_inputs(folder, config, options=options, runner=runner),
            options=words,
            out_link=out_link,
            on_line=follow,
            runner=runner,
        )
    except CommandError as error:
        raise explain(said, error, folder / LOCK) from error
    finally:
        for sentence in substituters.explain_failures(said):
            _log.warning(sentence)


def source_words(folder: Path, attribute: str, config: Config) -> tuple[str, ...]:
    """Return the installable: the service's own flake, or without one the library's reading of the folder.

    Raises:
        ConfigError: The folder has no flake, and this is not the library's shell.
    """
    if (folder / "flake.nix").exists():
        return (f"{folder.resolve()}#{attribute}",)
    if not config.flake:
        raise ConfigError(
            str(folder), ["no flake.nix, and the library is not on hand"], hint="enter its shell first: ./nixw develop"
        )
    library = config.flake.removeprefix("path:")
    file = f"{library}/nix/folder.nix"
    return (attribute, "--impure", "--file", file, "--argstr", "folder", str(folder.resolve()))


def lock_inputs(folder: Path, config: Config, *, options: Sequence[str] = (), runner: Runner = run) -> Path | None:
    """Write the flake's lock file with the library that these tasks come from, and return where it is.

    An input that is overridden on the command line would do the same, but Nix then takes the source for changed and
    hides its commit. None where there is no flake, or no library on hand.

    Raises:
        BuildError: The flake cannot be evaluated.
    """
    if not config.flake or not (folder / "flake.nix").exists():
        return None
    own = folder / "flake.lock"
    key = "\n".join([config.flake, (folder / "flake.nix").read_text(), own.read_text() if own.exists() else ""])
    path = folder.resolve() / _RESULTS / f"flake-{Digest.of_bytes(key.encode()).hex[:16]}.lock"
    if not path.exists() or not _is_fixed(config.flake):
        try:
            locks = nix.lock(str(folder.resolve()), {"estiba": config.flake}, options=options, runner=runner)
        except CommandError as error:
            raise BuildError(error.tail, hint="look at flake.nix") from error
        path.parent.mkdir(exist_ok=True)
        files.write(path, json.dumps(locks, indent=2, sort_keys=True), mode=0o644)
    return path


def _is_fixed(flake: str) -> bool:
    """Tell whether a flake reference always means the same, as one into the store does."""
    return flake.removeprefix("path:").startswith("/nix/store/")
