"""The service's Python interpreter, unpacked from its locked Debian packages, and an environment with pip-tools."""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from packaging.specifiers import SpecifierSet

from estiba.digest import Digest
from estiba.errors import ConfigError
from estiba.process import run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from estiba.config import Config
    from estiba.lock.artifacts import Artifacts
    from estiba.lock.model import Deb
    from estiba.process import Runner

_TOOLS: Final = ("build", "click", "packaging", "pip", "pip-tools", "pyproject-hooks", "setuptools", "wheel")
_KNOWN: Final = {"pip": SpecifierSet(">=26,<27"), "pip-tools": SpecifierSet(">=7.6,<8")}
"""Versions whose private interfaces the driver uses; pyproject.toml has the same bounds."""

PIP: Final = {
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    # A prompt for a password would never be seen, and wait for ever.
    "PIP_NO_INPUT": "1",
}
"""Variables for pip that override the user's configuration."""

_REPEATED: Final = {"PIP_EXTRA_INDEX_URLS": "PIP_EXTRA_INDEX_URL", "PIP_TRUSTED_HOSTS": "PIP_TRUSTED_HOST"}

_HERE: Final = Path(__file__).parent
_DRIVER: Final = _HERE / "pip_driver.py"
_LAUNCHER: Final = _HERE / "python.sh"


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    """Python interpreter with the shared libraries that it has in the image.

    Attributes:
        version: Full version, such as `3.13.5`.
        python: Executable of the bare interpreter.
        tools: Executable of an environment with pip and pip-tools.
    """

    version: str
    python: Path
    tools: Path


def prepare(
    cache: Path, debs: Sequence[Deb], artifacts: Artifacts, *, python: str, runner: Runner = run
) -> Interpreter:
    """Unpack the interpreter into the cache folder, unless it is there.

    Args:
        cache: Cache folder.
        debs: Locked packages of the group `base` for this machine's platform.
        artifacts: Download cache, which has these packages.
        python: Python minor version.
        runner: Runs dpkg-deb.
    """
    parts = [*sorted(deb.sha256.hex for deb in debs), Digest.of_file(_LAUNCHER).hex]
    key = Digest.of_bytes(" ".join(parts).encode()).hex[:16]
    root = cache / "python" / key
    if not root.exists():
        root.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=root.parent, prefix="unpacking-") as scratch:
            _unpack(Path(scratch, "root"), [artifacts.path(deb.sha256) for deb in debs], python, runner)
            _install_root(Path(scratch, "root"), root)
    (version,) = (deb.version for deb in debs if deb.name == f"python{python}")
    bare = root / "usr" / "bin" / f"python{python}"
    return Interpreter(version=version.split("-")[0], python=bare, tools=_prepare_tools(root, bare, python))


def drive(
    interpreter: Path,
    request: Mapping[str, Any],
    *,
    config: Config,
    cwd: Path | None = None,
    on_line: Callable[[str], None] | None = None,
    runner: Runner = run,
) -> Any:  # noqa: ANN401 - the answer of the action
    """Run an action of the pip driver and return its decoded JSON response, None if that is empty.

    Args:
        interpreter: Executable of an environment with pip.
        request: Request in the form of the action in `pip_driver`.
        config: Settings; pip gets all environment variables.
        cwd: Working directory.
        on_line: Called with each line of standard error.
        runner: Runs the driver.

    Raises:
        CommandError: The action failed.
    """
    env = config.environment(
        **PIP,
        CUSTOM_COMPILE_COMMAND="invoke lock",
        PYTHONDONTWRITEBYTECODE="",
        # Tools in the Nix store are read-only: their bytecode goes elsewhere.
        PYTHONPYCACHEPREFIX=str(config.cache_dir / "bytecode"),
    )
    # Neither the user's site-packages (-s) nor the working directory (-P) may replace modules.
    argv = [str(interpreter), "-sP", str(_DRIVER)]
    # A pip that is killed with its parent, as by Ctrl-C twice, removes nothing.
    with tempfile.TemporaryDirectory(prefix="estiba-") as scratch:
        env["TMPDIR"] = scratch
        answer = runner(argv, env=env, cwd=cwd, stdin=json.dumps(request), on_line=on_line).stdout
    return json.loads(answer) if answer.strip() else None


def isolate(interpreter: Interpreter, *, config: Config, runner: Runner = run) -> dict[str, str]:
    """Return the environment of a `pip install` that knows the indexes of pip's configuration and nothing else of it.

    Its other options would install elsewhere (`root`, `target`, `user`), other versions (`constraint`) or nothing
    (`dry-run`), and an empty variable does not take the place of one in a file.

    Args:
        interpreter: The service's Python.
        config: Settings.
        runner: Runs the driver.

    Raises:
        CommandError: pip's configuration is invalid.
    """
    found = drive(interpreter.tools, {"action": "configuration"}, config=config, runner=runner)
    given = {f"PIP_{name.upper()}": _spell(value) for name, value in found.items()}
    # Options that may be repeated have a name of their own.
    given = {_REPEATED.get(name, name): value for name, value in given.items() if value}
    inherited = {name: value for name, value in config.environment().items() if not name.startswith("PIP_")}
    return {**inherited, **PIP, **given, "PIP_CONFIG_FILE": os.devnull}


def _spell(value: object) -> str:
    """Return the value of an option as pip reads it from a variable."""
    if isinstance(value, list):
        return " ".join(map(str, value))
    return str(int(value)) if isinstance(value, bool | float) else str(value or "")


def _unpack(root: Path, debs: Sequence[Path], python: str, runner: Runner) -> None:
    """Unpack packages, link the ELF loader, and replace the interpreter by a script that runs it through the loader."""
    root.mkdir()
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda deb: runner(["dpkg-deb", "-x", str(deb), str(root)]), debs))
    binaries = root / "usr" / "bin"
    libraries = [*root.glob("lib/*-linux-gnu"), *root.glob("usr/lib/*-linux-gnu")]
    loader = next(path for folder in libraries for path in folder.glob("ld-linux-*.so.*"))
    # libc-bin has a link of this name to an absolute path.
    (binaries / "ld.so").unlink(missing_ok=True)
    (binaries / "ld.so").symlink_to(Path("../..") / loader.relative_to(root))
    real = binaries / f"python{python}"
    real.rename(binaries / f"{real.name}.real")
    shutil.copy(_LAUNCHER, real)
    real.chmod(0o755)


def _install_root(staged: Path, root: Path) -> None:
    """Move an unpacked root to its final path and write the loader's search path, which is absolute."""
    try:
        staged.rename(root)
    except OSError:
        # Another process has unpacked the same packages in the meantime.
        if not root.exists():
            raise
    folders = [*root.glob("lib/*-linux-gnu"), *root.glob("usr/lib/*-linux-gnu")]
    (root / "usr" / "bin" / "ld.path").write_text(":".join(map(str, folders)), encoding="utf-8")


def _prepare_tools(root: Path, bare: Path, python: str) -> Path:
    """Create a virtual environment (PEP 405) whose packages are links to the pip and pip-tools of this process."""
    found = {top: path for name in _TOOLS for top, path in _locate(name).items()}
    key = Digest.of_bytes(json.dumps({top: str(path) for top, path in found.items()}).encode()).hex[:16]
    env = root.parent / f"{root.name}-tools-{key}"
    executable = env / "bin" / "python"
    if env.exists():
        return executable
    with tempfile.TemporaryDirectory(dir=root.parent, prefix="tools-") as scratch:
        staged = Path(scratch, "env")
        packages = staged / "lib" / f"python{python}" / "site-packages"
        packages.mkdir(parents=True)
        for top, path in found.items():
            (packages / top).symlink_to(path)
        (staged / "bin").mkdir()
        (staged / "bin" / "python").symlink_to(bare)
        (staged / "pyvenv.cfg").write_text(
            f"home = {bare.parent}\ninclude-system-site-packages = false\n", encoding="utf-8"
        )
        _move_into_place(staged, env)
    return executable


def _move_into_place(staged: Path, place: Path) -> None:
    try:
        staged.rename(place)
    except OSError:
        if not place.exists():
            raise


def _locate(name: str) -> dict[str, Path]:
    """Return the real paths of the top-level files and folders of an installed distribution, by name.

    Raises:
        ConfigError: The distribution is not installed, or has a version that the driver does not support.
    """
    try:
        distribution = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError as error:
        where = "tools"
        raise ConfigError(where, [f"{name} is not installed beside Estiba"], hint="./nixw develop brings it") from error
    if name in _KNOWN and distribution.version not in _KNOWN[name]:
        where = "tools"
        problem = f"{name} {distribution.version} is installed beside Estiba, which supports {_KNOWN[name]}"
        raise ConfigError(where, [problem], hint="./nixw develop brings one that fits; or upgrade Estiba")
    tops = {file.parts[0] for file in distribution.files or ()} - {"..", "__pycache__"}
    found = {top: Path(str(distribution.locate_file(top))).resolve() for top in sorted(tops)}
    # Extension modules are of this process's Python version, and .pth files would run code at start-up.
    return {top: path for top, path in found.items() if path.exists() and path.suffix not in (".pth", ".so")}
