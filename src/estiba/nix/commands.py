"""Nix commands: one function each, which returns the parsed output."""

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
"""File that marks a store with builds without the sandbox; `nix/build/builders/build_root.py` reads it, too."""

_NAMESPACES: Final = (
    *("unshare", "--user", "--map-root-user", "--mount", "--pid", "--fork"),
    *("mount", "-t", "proc", "proc", "/proc"),
)


def build(
    *installable: str,
    lock_file: Path | None = None,
    options: Sequence[str] = (),
    out_link: Path | None = None,
    sandbox: str = "",
    on_line: Callable[[str], None] | None = None,
    runner: Runner = run,
) -> Path:
    """Build an installable with one output and return its store path (`nix build`).

    Args:
        installable: Flake output reference such as `.#image`, or the arguments that select an attribute of a file.
        lock_file: Lock file to use instead of the flake's `flake.lock`, which is not changed.
        options: More arguments, such as `--offline`.
        out_link: Path of a symbolic link to the output, registered as a garbage collector root.
        sandbox: `Config.sandbox`.
        on_line: Called with each line of standard error.
        runner: Runs the command.

    Raises:
        CommandError: The evaluation or the build failed.
        ConfigError: `ESTIBA_SANDBOX` is none of its values, or builds without the sandbox are not for this user.
    """
    _choose_sandbox(sandbox)
    link = ["--out-link", str(out_link)] if out_link else ["--no-link"]
    argv = ["nix", "build", *installable, "--json", *link, *_lock_flags(lock_file), *options]
    (built,) = json.loads(runner(argv, on_line=on_line).stdout)
    (path,) = built["outputs"].values()
    return Path(path)


def evaluate(
    installable: str, *, lock_file: Path | None = None, options: Sequence[str] = (), runner: Runner = run
) -> Any:  # noqa: ANN401 - whatever the attribute holds
    """Evaluate an installable and return its value, decoded from JSON (`nix eval --json`).

    Raises:
        CommandError: The evaluation failed.
    """
    argv = ["nix", "eval", installable, "--json", *_lock_flags(lock_file), *options]
    return json.loads(runner(argv).stdout)


def locate(path: Path, store: Path) -> Path:
    """Return the physical path of a store path, or of the target of a symbolic link to one.

    Args:
        path: Store path, or a link to one.
        store: Root folder of the Nix store; see `Config.store`.

    The paths of a chroot store lie below its root; at `/nix/store` they exist only in the mount namespace that commands
    such as `nix develop` make.
    """
    target = path.readlink() if path.is_symlink() else path
    return target if target.exists() or not target.is_absolute() else store / target.relative_to("/")


def is_hermetic(mark: Path = UNSANDBOXED, *, runner: Runner = run) -> bool:
    """Tell whether all builds in this machine's store ran in the sandbox, as far as is known.

    Once a build ran without it, the answer stays no: its results in the store cannot be told from others.
    """
    if mark.exists():
        return False
    shown = runner(["nix", "config", "show", "--json"], check=False)
    if shown.code != 0:
        # Nix before 2.20 has the command under this name.
        shown = runner(["nix", "show-config", "--json"])
    settings = json.loads(shown.stdout)
    if not settings["sandbox"]["value"]:
        return False
    # With sandbox-fallback Nix silently builds without a sandbox that it cannot create; this is what it tries.
    return not settings["sandbox-fallback"]["value"] or runner(_NAMESPACES, check=False).code == 0


def delete(path: Path, *, runner: Runner = run) -> None:
    """Delete a store path (`nix store delete`).

    Raises:
        CommandError: The path is alive: a garbage collector root or another store path refers to it.
    """
    runner(["nix", "store", "delete", str(path)])


def add_fixed(
    files: Sequence[Path], *, algorithm: str = "sha256", recursive: bool = False, runner: Runner = run
) -> list[Path]:
    """Add files to the store as fixed outputs and return their store paths in order.

    Each path is the output path of a fixed-output derivation with the same name, mode and hash.

    Args:
        files: Files to add; their base names must be valid store names (see `estiba.nix.store_path.store_name`).
        algorithm: `sha256` or `sha512`.
        recursive: Hash the NAR serialisation instead of the flat file contents.
        runner: Runs the command.
    """
    if not files:
        return []
    flags = ["--recursive"] if recursive else []
    argv = ["nix-store", "--add-fixed", *flags, algorithm, *map(str, files)]
    return [Path(line) for line in runner(argv).stdout.splitlines()]


def fixed_outputs(
    *words: str,
    lock_file: Path | None = None,
    options: Sequence[str] = (),
    runner: Runner = run,
) -> list[str]:
    """Return the sorted outputs of all fixed-output derivations in the closure of an installable's derivation.

    Raises:
        CommandError: The evaluation failed.
    """
    argv = ["nix", "derivation", "show", "--recursive", *words, *_lock_flags(lock_file), *options]
    shown = json.loads(runner(argv).stdout)
    # Newer versions of Nix wrap the derivations into an object with a format version.
    derivations = shown.get("derivations", shown)
    outputs = (output for derivation in derivations.values() for output in derivation["outputs"].values())
    return sorted(_absolute(output["path"]) for output in outputs if "hash" in output)


def copy(paths: Sequence[str], store: Path, *, runner: Runner = run) -> None:
    """Copy store paths with their closures into another local store (`nix copy`).

    Raises:
        CommandError: A path is not in this machine's store.
    """
    # Only paths from this machine's own store are copied, and those it has built itself carry no signature.
    runner(["nix", "copy", "--no-check-sigs", "--to", str(store), "--stdin"], stdin="\n".join(paths))


def set_profile(profile: Path, path: Path, *, runner: Runner = run) -> int:
    """Add a store path to a profile as its current generation and return the generation's number.

    Raises:
        CommandError: The profile cannot be written.
    """
    # Not `nix profile`: that manages a list of packages, while this profile is one store path.
    runner(["nix-env", "--profile", str(profile), "--set", str(path)])
    return current_generation(profile)


def switch_generation(profile: Path, number: int, *, runner: Runner = run) -> None:
    """Switch a profile to an existing generation.

    Raises:
        CommandError: There is no such generation.
    """
    runner(["nix-env", "--profile", str(profile), "--switch-generation", str(number)])


def delete_generations(profile: Path, numbers: Sequence[int], *, runner: Runner = run) -> None:
    """Delete generations of a profile, so that garbage collection can delete the store paths that only they use."""
    if numbers:
        runner(["nix-env", "--profile", str(profile), "--delete-generations", *map(str, numbers)])


def current_generation(profile: Path) -> int:
    """Return the number of a profile's current generation, 0 if it has none."""
    return _generation(profile, profile.readlink()) if profile.is_symlink() else 0


def generations(profile: Path) -> dict[int, Path]:
    """Return the store path of each generation of a profile by its number, oldest first."""
    links = {_generation(profile, link): link for link in profile.parent.glob(f"{profile.name}-*-link")}
    return {number: link.readlink() for number, link in sorted(links.items()) if number}


def add_root(link: Path, path: Path, *, runner: Runner = run) -> None:
    """Create a symbolic link to a store path and register it as a garbage collector root."""
    runner(["nix-store", "--realise", str(path), "--add-root", str(link)])


def find_invalid(paths: Sequence[str], *, runner: Runner = run) -> list[str]:
    """Return the store paths that are not valid, which means not in the store."""
    return runner(["nix-store", "--check-validity", "--print-invalid", *paths]).stdout.split() if paths else []


def lock(
    flake: str, overrides: Mapping[str, str], *, options: Sequence[str] = (), runner: Runner = run
) -> dict[str, Any]:
    """Return the contents of a flake's lock file with some inputs overridden; no file is written.

    Args:
        flake: Flake reference.
        overrides: Flake references by input name.
        options: More arguments, such as `--offline`.
        runner: Runs the command.

    Raises:
        CommandError: The flake cannot be evaluated, or an input cannot be fetched.
    """
    flags = [word for name, ref in sorted(overrides.items()) for word in ("--override-input", name, ref)]
    argv = ["nix", "flake", "metadata", flake, "--json", *flags, "--no-write-lock-file", *options]
    return dict(json.loads(runner(argv).stdout)["locks"])


def _choose_sandbox(value: str) -> None:
    """Create the file that lets builders run without the sandbox, if `ESTIBA_SANDBOX` has the value for it."""
    if not value:
        return
    if value != config.CONTAINER:
        problem = f"'{value}' is none of its values"
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
    # This lock file is used for one command only: it may name a checkout of Estiba with uncommitted changes.
    unlocked = ["--option", "allow-dirty-locks", "true"]
    return ["--reference-lock-file", str(lock_file), "--no-write-lock-file", *unlocked]


def _generation(profile: Path, link: Path) -> int:
    found = re.fullmatch(rf"{re.escape(profile.name)}-(\d+)-link", link.name)
    return int(found[1]) if found else 0


def _absolute(path: str) -> str:
    """Return an absolute store path; newer versions of Nix print base names in derivations."""
    return path if path.startswith("/") else f"/nix/store/{path}"
