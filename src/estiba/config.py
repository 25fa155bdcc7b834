"""The only module that reads the environment; the names of its variables are the constants below."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

ENV_FLAKE: Final = "ESTIBA_FLAKE"
"""Flake reference of the library itself; the development shell sets it."""

ENV_CACHE: Final = "ESTIBA_CACHE_DIR"
"""Folder for downloads; by default `estiba` in the user's cache folder."""

ENV_APT_SOURCES: Final = "ESTIBA_APT_SOURCES"
"""A .sources or .list file to take Debian mirrors from instead of the machine's apt configuration."""

ENV_CACHE_KEY: Final = "ESTIBA_CACHE_KEY"
"""File with the secret key that signs what is pushed to a binary cache."""

ENV_SANDBOX: Final = "ESTIBA_SANDBOX"
"""`container` where Nix cannot have its sandbox and nobody may configure the container, else empty.

It says something of the machine and not of the service, whose image is the same either way."""

ENV_STATE: Final = "ESTIBA_STATE_DIR"
"""Folder for what targets on this machine keep: databases, uploads, logs."""

ENV_NO_COLOR: Final = "NO_COLOR"
"""Any value turns colours off (no-color.org)."""

ENV_DOCKER_CONFIG: Final = "DOCKER_CONFIG"
"""Folder of Docker's `config.json`, by default `.docker` in the home folder; Docker's own name for it."""

ENV_NIX: Final = "NIX_CONFIG"
"""Nix's own name for settings, which beat those in its files."""

ENV_STORE: Final = "NIX_REMOTE"
"""Nix's own name for the store that it uses; a folder is one whose paths lie below it."""

CONTAINER: Final = "container"
"""The value of `ESTIBA_SANDBOX` for a container without the rights that the sandbox takes."""

# Nix's users for builds could not call chroot(2), which takes the place of a builder's own namespaces.
_WITHOUT_SANDBOX: Final = "sandbox = false\nbuild-users-group ="


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What the environment says.

    Attributes:
        flake: Flake reference of the library, or an empty string outside its development shell.
        cache_dir: Folder for downloads and apt state; disposable.
        state_dir: Folder for databases, uploads and logs of targets on this machine.
        apt_sources: File to take Debian mirrors from, or None for the machine's apt configuration.
        docker_config: Docker's configuration file, with the credentials of registries; need not exist.
        cache_key: File with the secret key for binary caches; need not exist.
        nix_conf: The user's own Nix configuration; need not exist.
        store: Folder below which the paths of the Nix store lie, `/` unless it is one of the user's own.
        color: Whether output may be coloured.
        interactive: Whether a person watches standard error.
        sandbox: Empty where Nix is to build in its sandbox, else `container`.
        variables: All variables, for child processes; not shown, since secrets may be among them.
    """

    flake: str
    cache_dir: Path
    state_dir: Path
    apt_sources: Path | None
    docker_config: Path
    cache_key: Path
    nix_conf: Path
    store: Path
    color: bool
    interactive: bool
    sandbox: str = ""
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)

    def environment(self, **additions: str) -> dict[str, str]:
        """Return the environment of a child process: this one's, with additions."""
        return {**self.variables, **additions}


def load() -> Config:
    """Read the environment once."""
    home_cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    home_config = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    home_state = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Config(
        flake=os.environ.get(ENV_FLAKE, ""),
        cache_dir=Path(os.environ.get(ENV_CACHE) or Path(home_cache, "estiba")),
        state_dir=Path(os.environ.get(ENV_STATE) or Path(home_state, "estiba")),
        docker_config=Path(os.environ.get(ENV_DOCKER_CONFIG) or Path.home() / ".docker", "config.json"),
        apt_sources=Path(os.environ[ENV_APT_SOURCES]) if os.environ.get(ENV_APT_SOURCES) else None,
        cache_key=Path(os.environ.get(ENV_CACHE_KEY) or Path(home_config, "estiba", "cache.key")),
        nix_conf=Path(home_config, "nix", "nix.conf"),
        store=_store(os.environ.get(ENV_STORE, "")),
        color=ENV_NO_COLOR not in os.environ and os.isatty(2),
        interactive=os.isatty(2),
        sandbox=os.environ.get(ENV_SANDBOX, ""),
        variables=variables(),
    )


def _store(remote: str) -> Path:
    return Path(remote if remote.startswith("/") else "/")


def variables() -> dict[str, str]:
    """Return this process's variables for a child, with the settings for Nix where it is to do without its sandbox."""
    if os.environ.get(ENV_SANDBOX) != CONTAINER:
        return dict(os.environ)
    return {**os.environ, ENV_NIX: f"{os.environ.get(ENV_NIX, '')}\n{_WITHOUT_SANDBOX}"}
