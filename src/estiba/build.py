"""Build a service's image with Nix and read what came out."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from estiba import nix
from estiba.cache import trouble
from estiba.config import CONTAINER, ENV_SANDBOX
from estiba.digest import Digest
from estiba.errors import ArtifactError, BuildError, CommandError, ConfigError, StaleLockError
from estiba.nixlog import BuildLog, failed_derivation
from estiba.process import run
from estiba.storepath import store_name

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from estiba.config import Config
    from estiba.process import Runner

RESULT: Final = Path(".estiba", "image")
"""Where the link to the last image is, below the service's folder; it keeps the image from being collected."""

LOCK: Final = "estiba.lock"
_ARTIFACTS: Final = ("build_distributions", "debs", "distributions")
_log = logging.getLogger(__name__)
_MISSING: Final = "artifact missing from the store: "
_NO_NAMESPACES: Final = "does not support the kernel namespaces"
_ALLOW_NAMESPACES: Final = (
    "start a container with `--security-opt seccomp=unconfined --security-opt systempaths=unconfined`, a pod with "
    "`procMount: Unmasked` and `seccompProfile: {type: Unconfined}`; where nobody may configure it, set "
    f"{ENV_SANDBOX}={CONTAINER}: the same image, but not hermetic; elsewhere see docs/troubleshooting.md"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltLayer:
    """A layer of a built image.

    Attributes:
        digest: Of the compressed blob, `sha256:…`.
        size: Of the compressed blob, in bytes.
        contents: What it holds: packages with their versions.
        name: Its name in the layer plan.
        platform: A Nix system.
        changed: Whether the image that was built before lacks it.
    """

    digest: str
    size: int
    contents: tuple[str, ...]
    name: str
    platform: str
    changed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """A built image: the digest of its index, where its OCI layout is, its platforms and layers, lowest first."""

    digest: str
    path: Path
    platforms: tuple[str, ...]
    layers: tuple[BuiltLayer, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return what `invoke build --json` prints."""
        fields = ("changed", "contents", "digest", "name", "platform", "size")
        return {
            "digest": self.digest,
            "layers": [{field: getattr(layer, field) for field in fields} for layer in self.layers],
            "path": str(self.path),
            "platforms": list(self.platforms),
        }


def build(
    folder: Path,
    config: Config,
    *,
    platform: str = "",
    on_status: Callable[[str], None] | None = None,
    runner: Runner = run,
) -> Built:
    """Build the image of the service in `folder`.

    Args:
        folder: The service's folder, with `estiba.lock`.
        config: The environment's settings.
        platform: One platform instead of all that the lock has.
        on_status: Called with one line at a time that says how far the build is.
        runner: Runs the commands.

    Raises:
        StaleLockError: There is no lock.
        ArtifactError: Something that the lock names is not in the store.
        BuildError: The evaluation or the build failed.
    """
    if not (folder / LOCK).exists():
        msg = f"no {LOCK} in {folder}"
        raise StaleLockError(msg, hint="invoke lock")
    before = _digests(folder / RESULT, config.store)
    (folder / RESULT).parent.mkdir(exist_ok=True)
    attribute = f"image-{platform}" if platform else "image"
    link = folder / RESULT
    path = realise(folder, attribute, config, out_link=link, on_status=on_status, runner=runner)
    return load(path, before, store=config.store)


def load(path: Path, before: frozenset[str] = frozenset(), *, store: Path = Path("/")) -> Built:
    """Read a built image.

    Args:
        path: An OCI layout that `build` has made.
        before: Digests of layers that are not new.
        store: Folder below which the paths of the store lie.
    """
    summary = json.loads((nix.locate(path, store) / "estiba.json").read_text())
    layers = [
        BuiltLayer(
            digest=layer["digest"],
            size=layer["size"],
            contents=tuple(layer["contents"]),
            name=layer["name"],
            platform=layer["platform"],
            changed=layer["digest"] not in before,
        )
        for layer in summary["layers"]
    ]
    return Built(digest=summary["digest"], path=path, platforms=tuple(summary["platforms"]), layers=tuple(layers))


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
        raise _explain(said, error, folder / LOCK) from error
    finally:
        for sentence in trouble.find(said):
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
    path = folder.resolve() / RESULT.parent / f"flake-{Digest.of_bytes(key.encode()).hex[:16]}.lock"
    if not path.exists() or not _is_fixed(config.flake):
        try:
            locks = nix.lock(str(folder.resolve()), {"estiba": config.flake}, options=options, runner=runner)
        except CommandError as error:
            raise BuildError(error.tail, hint="look at flake.nix") from error
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(locks, indent=2, sort_keys=True))
        path.chmod(0o644)
    return path


def _is_fixed(flake: str) -> bool:
    """Tell whether a flake reference always means the same, as one into the store does."""
    return flake.removeprefix("path:").startswith("/nix/store/")


def _digests(path: Path, store: Path) -> frozenset[str]:
    """Return the digests of the layers of the image built before, if there was one."""
    try:
        return frozenset(layer.digest for layer in load(path, store=store).layers)
    except (OSError, ValueError, KeyError):
        return frozenset()


def _explain(log: BuildLog, error: CommandError, lock: Path) -> BuildError | ArtifactError:
    said = {line for lines in log.lines.values() for line in lines if line.startswith(_MISSING)}
    if said:
        named = {line.removeprefix(_MISSING).partition(";")[0] for line in said}
        names = sorted(named | _wanted_artifacts(log, lock))
        listed = f" {names[0]}" if len(names) == 1 else "".join(f"\n  - {name}" for name in names)
        return ArtifactError(f"not in the store:{listed}", hint="invoke fetch")
    failure = log.failure() or error.tail
    if _NO_NAMESPACES in failure:
        return BuildError("this machine does not let Nix make its sandbox", hint=_ALLOW_NAMESPACES)
    derivation = failed_derivation(failure)
    return BuildError(failure, hint=f"nix log {derivation}" if derivation else "")


def _wanted_artifacts(log: BuildLog, lock: Path) -> set[str]:
    """Return what the lock names and Nix wanted to build, which is what is missing; it stops at the first of them."""
    found = json.loads(lock.read_text(encoding="utf-8")) if lock.exists() else {}
    records = [record for part in _ARTIFACTS for record in found.get(part, ())]
    wanted = set(log.wanted)
    return {record["file"] for record in records if store_name(record["file"]) in wanted}
