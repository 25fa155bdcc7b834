"""Settings from environment variables; no other module reads the environment."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

ENV_FLAKE: Final = "ESTIBA_FLAKE"
"""Variable with the flake reference of Estiba itself; the development shell sets it."""

ENV_CACHE: Final = "ESTIBA_CACHE_DIR"
"""Variable with the cache folder; by default `estiba` in `XDG_CACHE_HOME`."""

ENV_APT_SOURCES: Final = "ESTIBA_APT_SOURCES"
"""Variable with a .sources or .list file to use instead of the machine's apt configuration (sources.list(5))."""

ENV_CACHE_KEY: Final = "ESTIBA_CACHE_KEY"
"""Variable with the file of the secret key that signs store paths pushed to a binary cache."""

ENV_SANDBOX: Final = "ESTIBA_SANDBOX"
"""Variable with the value `container` to build without Nix's sandbox, in a container that cannot be configured.

It is a property of the machine, not of the service: the image is the same either way.
"""

ENV_STATE: Final = "ESTIBA_STATE_DIR"
"""Variable with the state folder of host targets; by default `estiba` in `XDG_STATE_HOME`."""

ENV_NO_COLOR: Final = "NO_COLOR"
"""Variable that turns colours off unless it is empty (no-color.org)."""

ENV_DOCKER_CONFIG: Final = "DOCKER_CONFIG"
"""Docker's variable with the folder of its `config.json`; by default `.docker` in the home folder."""

ENV_NIX: Final = "NIX_CONFIG"
"""Nix's variable with settings, which override those in its files (nix.conf(5))."""

ENV_STORE: Final = "NIX_REMOTE"
"""Nix's variable with the store URL; a path is the root of a chroot store (Nix manual, "Local Store")."""

CI_ACTORS: Final = ("GITHUB_ACTOR", "GITLAB_USER_LOGIN", "BUILDKITE_BUILD_CREATOR", "CIRCLE_USERNAME", "BUILD_USER_ID")
"""Variables in which CI systems say whose change or click started a job; the last is that of Jenkins."""

CONTAINER: Final = "container"
"""Value of `ESTIBA_SANDBOX` for a container without the privileges that the sandbox needs."""

_OF_A_HOOK: Final = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_COMMON_DIR",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
)
"""Variables in which git tells its hooks their repository (githooks(5)); commands name the folder that they mean."""

# Without namespaces builders call chroot(2), which Nix's build users may not.
_WITHOUT_SANDBOX: Final = "sandbox = false\nbuild-users-group ="


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Settings read from the environment.

    Attributes:
        flake: Flake reference of Estiba, or an empty string outside its development shell.
        cache_dir: Folder for downloads and apt state; can be deleted at any time.
        state_dir: Folder for databases, uploads and logs of host targets.
        apt_sources: File with Debian mirrors, or None for the machine's apt configuration.
        docker_config: Docker's `config.json`, with registry credentials; need not exist.
        cache_key: File with the secret key for binary caches; need not exist.
        nix_conf: The user's `nix.conf`; need not exist.
        store: Root folder of the Nix store: `/`, or the folder of a chroot store.
        color: Whether output may be coloured.
        interactive: Whether standard error is a terminal.
        actor: User of the CI system who started this job, or an empty string.
        sandbox: Empty to build in Nix's sandbox, else `container`.
        variables: All environment variables, for child processes; left out of `repr`, as they may hold secrets.
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
    actor: str = ""
    sandbox: str = ""
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)

    def environment(self, **additions: str) -> dict[str, str]:
        """Return the environment of a child process: this process's variables and `additions`, which win."""
        return {**self.variables, **additions}


def load() -> Config:
    """Read the environment; unset and empty variables take their defaults."""
    # `or` instead of a default of get(): an empty variable counts as unset, as in the XDG Base Directory Specification.
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
        color=not os.environ.get(ENV_NO_COLOR) and os.isatty(2),
        interactive=os.isatty(2),
        actor=next((os.environ[name] for name in CI_ACTORS if os.environ.get(name)), ""),
        sandbox=os.environ.get(ENV_SANDBOX, ""),
        variables=variables(),
    )


def _store(remote: str) -> Path:
    # Other values, such as `daemon` or `ssh://…`, are stores whose paths lie where they say, in /nix/store.
    return Path(remote if remote.startswith("/") else "/")


def variables() -> dict[str, str]:
    """Return the environment variables for child processes.

    `NIX_CONFIG` is added if Nix has to build without sandbox, and git's word on the repository of a hook left out.
    """
    found = {name: value for name, value in os.environ.items() if name not in _OF_A_HOOK}
    if found.get(ENV_SANDBOX) != CONTAINER:
        return found
    return {**found, ENV_NIX: f"{found.get(ENV_NIX, '')}\n{_WITHOUT_SANDBOX}"}
