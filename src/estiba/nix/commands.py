"""One function per Nix command: argv in, parsed value out."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from estiba import config
from estiba.errors import ConfigError
from estiba.process import run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from estiba.process import Runner

UNSANDBOXED: Final = Path("/nix/var/nix/estiba-unsandboxed")
"""The mark of a store that was built in without the sandbox; `nix/build/builders/build_root.py` reads it too."""

_NAMESPACES: Final = (
    *("unshare", "--user", "--map-root-user", "--mount", "--pid", "--fork"),
    *("mount", "-t", "proc", "proc", "/proc"),
)


def build(
    *installable: str,
    lock_file: Path | None = None,
    options: Sequence[str] = (),
    out_link: Path | None = None,
    on_line: Callable[[str], None] | None = None,
    runner: Runner = run,
) -> Path:
    """Build one output of a derivation and return its path.

    Args:
        installable: A flake output, such as `.#image`, or the words that name one in a file.
        lock_file: What to take in place of the flake's own lock file, which is left alone.
        options: More arguments, such as `--offline`.
        out_link: Where to put a symlink that keeps the result from being collected.
        on_line: Called with every line of the log.
        runner: Runs the command.

    Raises:
        CommandError: The evaluation or the build failed.
        ConfigError: `ESTIBA_SANDBOX` is none of its values, or builds without the sandbox are not for this user.
    """
    _choose_sandbox(config.load().sandbox)
    link = ["--out-link", str(out_link)] if out_link else ["--no-link"]
    argv = ["nix", "build", *installable, "--json", *link, *_lock_flags(lock_file), *options]
    (built,) = json.loads(runner(argv, on_line=on_line).stdout)
    (path,) = built["outputs"].values()
    return Path(path)


def evaluate(
    installable: str, *, lock_file: Path | None = None, options: Sequence[str] = (), runner: Runner = run
) -> Any:  # noqa: ANN401 - whatever the attribute holds
    """Evaluate one attribute to JSON.

    Raises:
        CommandError: The evaluation failed.
    """
    argv = ["nix", "eval", installable, "--json", *_lock_flags(lock_file), *options]
    return json.loads(runner(argv).stdout)


def locate(path: Path, store: Path) -> Path:
    """Return where a store path, or what a link to one names, lies on disk.

    A store of the user's own has its paths below its folder; only inside `nix develop` are they where they say.
    """
    target = path.readlink() if path.is_symlink() else path
    return target if target.exists() or not target.is_absolute() else store / target.relative_to("/")


def is_hermetic(mark: Path = UNSANDBOXED, *, runner: Runner = run) -> bool:
    """Tell whether all that was built in this machine's store was built in the sandbox, as far as is known.

    Results stay in a store: once builds in it went without the sandbox, no later one is told apart from them.
    """
    if mark.exists():
        return False
    shown = runner(["nix", "config", "show", "--json"], check=False)
    if shown.code != 0:
        # The name of the command before Nix 2.20.
        shown = runner(["nix", "show-config", "--json"])
    settings = json.loads(shown.stdout)
    if not settings["sandbox"]["value"]:
        return False
    # With a fallback, Nix goes without a sandbox that it cannot make, and says nothing; this is what it tries.
    return not settings["sandbox-fallback"]["value"] or runner(_NAMESPACES, check=False).code == 0


def delete(path: Path, *, runner: Runner = run) -> None:
    """Delete one store path that nothing refers to.

    Raises:
        CommandError: It is in use.
    """
    runner(["nix", "store", "delete", str(path)])


def add_fixed(files: Sequence[Path], *, recursive: bool = False, runner: Runner = run) -> list[Path]:
    """Add files to the store as fixed outputs by SHA-256 and return their store paths in order.

    The path is the one of a fixed-output derivation with the same name, mode and hash; the file's base name must be
    a valid store name (see `estiba.nix.store_path.store_name`).
    """
    if not files:
        return []
    flags = ["--recursive"] if recursive else []
    argv = ["nix-store", "--add-fixed", *flags, "sha256", *map(str, files)]
    return [Path(line) for line in runner(argv).stdout.splitlines()]


def fixed_outputs(
    *words: str,
    lock_file: Path | None = None,
    options: Sequence[str] = (),
    runner: Runner = run,
) -> list[str]:
    """Return the store paths of everything that goes into an installable and is named by its content, sorted.

    Raises:
        CommandError: The evaluation failed.
    """
    argv = ["nix", "derivation", "show", "--recursive", *words, *_lock_flags(lock_file), *options]
    shown = json.loads(runner(argv).stdout)
    derivations = shown.get("derivations", shown)
    outputs = (output for derivation in derivations.values() for output in derivation["outputs"].values())
    return sorted(_absolute(output["path"]) for output in outputs if "hash" in output)


def copy(paths: Sequence[str], store: Path, *, runner: Runner = run) -> None:
    """Copy store paths into another store on this machine.

    Raises:
        CommandError: One of them is not in this machine's store.
    """
    runner(["nix", "copy", "--no-check-sigs", "--to", str(store), "--stdin"], stdin="\n".join(paths))


def set_profile(profile: Path, path: Path, *, runner: Runner = run) -> int:
    """Make a store path the current generation of a profile and return the generation's number.

    Raises:
        CommandError: The profile cannot be written.
    """
    runner(["nix-env", "--profile", str(profile), "--set", str(path)])
    return current_generation(profile)


def switch_generation(profile: Path, number: int, *, runner: Runner = run) -> None:
    """Make an existing generation of a profile the current one.

    Raises:
        CommandError: There is no such generation.
    """
    runner(["nix-env", "--profile", str(profile), "--switch-generation", str(number)])


def delete_generations(profile: Path, numbers: Sequence[int], *, runner: Runner = run) -> None:
    """Forget generations of a profile, so that the store can drop what only they refer to."""
    if numbers:
        runner(["nix-env", "--profile", str(profile), "--delete-generations", *map(str, numbers)])


def current_generation(profile: Path) -> int:
    """Return the number of a profile's current generation, 0 where it has none."""
    return _generation(profile, profile.readlink()) if profile.is_symlink() else 0


def generations(profile: Path) -> dict[int, Path]:
    """Return the store paths of a profile's generations by their numbers, the oldest first."""
    links = {_generation(profile, link): link for link in profile.parent.glob(f"{profile.name}-*-link")}
    return {number: link.readlink() for number, link in sorted(links.items()) if number}


def add_root(link: Path, path: Path, *, runner: Runner = run) -> None:
    """Keep a store path from being collected for as long as a link to it exists."""
    runner(["nix-store", "--realise", str(path), "--add-root", str(link)])


def find_invalid(paths: Sequence[str], *, runner: Runner = run) -> list[str]:
    """Return those of some store paths that are not in the store."""
    return runner(["nix-store", "--check-validity", "--print-invalid", *paths]).stdout.split() if paths else []


def lock(
    flake: str, overrides: Mapping[str, str], *, options: Sequence[str] = (), runner: Runner = run
) -> dict[str, Any]:
    """Return the lock file of a flake with other inputs, name to flake reference; nothing is written.

    Raises:
        CommandError: The flake cannot be evaluated, or an input not be found.
    """
    flags = [word for name, ref in sorted(overrides.items()) for word in ("--override-input", name, ref)]
    argv = ["nix", "flake", "metadata", flake, "--json", *flags, "--no-write-lock-file", *options]
    return dict(json.loads(runner(argv).stdout)["locks"])


def _choose_sandbox(said: str) -> None:
    """Leave the mark that lets builders do without the sandbox, if they are to."""
    if not said:
        return
    if said != config.CONTAINER:
        problem = f"'{said}' is none of its values"
        raise ConfigError(config.ENV_SANDBOX, [problem], hint=f"set it to '{config.CONTAINER}', or not at all")
    try:
        UNSANDBOXED.parent.mkdir(parents=True, exist_ok=True)
        UNSANDBOXED.touch()
    except OSError as error:
        problem = f"{UNSANDBOXED} cannot be written: {error.strerror}"
        raise ConfigError(config.ENV_SANDBOX, [problem], hint="run as the root user of the container") from error


def _lock_flags(lock_file: Path | None) -> list[str]:
    if not lock_file:
        return []
    # The lock is ours for one command: it may name a checkout of the library with changes that are not committed.
    unlocked = ["--option", "allow-dirty-locks", "true"]
    return ["--reference-lock-file", str(lock_file), "--no-write-lock-file", *unlocked]


def _generation(profile: Path, link: Path) -> int:
    found = re.fullmatch(rf"{re.escape(profile.name)}-(\d+)-link", link.name)
    return int(found[1]) if found else 0


def _absolute(path: str) -> str:
    """Return a store path; newer versions of Nix show derivations with base names."""
    return path if path.startswith("/") else f"/nix/store/{path}"
