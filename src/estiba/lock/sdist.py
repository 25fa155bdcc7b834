"""What an sdist needs to be built, and what it says about itself; found by asking its own build backend."""

from __future__ import annotations

import json
import re
import tarfile
import tempfile
import tomllib
import zipfile
from dataclasses import asdict, dataclass
from email.parser import HeaderParser
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from estiba import config
from estiba.errors import CommandError, ResolutionError
from estiba.lock import memo, pins, pip
from estiba.lock.interpreter import drive

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from estiba.lock.pins import Pin
    from estiba.lock.pip import Bench, Choice

_DEFAULT: Final = {"requires": ["setuptools>=40.8.0"], "build-backend": "setuptools.build_meta:__legacy__"}
_COMPILED_BACKENDS: Final = ("maturin", "mesonpy", "scikit_build_core.build", "scikit_build_core.setuptools.build_meta")
_EXTENSION: Final = re.compile(r"ext_modules|ext-modules|\bExtension\(|cffi_modules|rust_extensions|RustExtension")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sdist:
    """What one sdist says.

    Attributes:
        requires: Its `Requires-Dist` lines.
        build_requires: What its build environment must hold, as PEP 508 lines.
        compiles: Whether it has extension modules that a compiler builds.
    """

    requires: tuple[str, ...]
    build_requires: tuple[str, ...]
    compiles: bool


def read_wheel(path: Path) -> tuple[str, ...]:
    """Return the `Requires-Dist` lines of a wheel."""
    with zipfile.ZipFile(path) as wheel:
        name = next(name for name in wheel.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", name))
        return _parse_metadata(wheel.read(name).decode("utf-8", "replace"))


def inspect(bench: Bench, choice: Choice) -> Sdist:
    """Ask an sdist's build backend; the answer is remembered in the cache folder.

    Raises:
        ResolutionError: Its build requirements do not resolve, or its backend fails; carries the reason.
    """

    def find() -> str:
        try:
            with tempfile.TemporaryDirectory(prefix="estiba-") as scratch:
                found = _ask(bench, _unpack(bench.artifacts.path(choice.sha256), Path(scratch)), Path(scratch))
        except CommandError as error:
            msg = f"the build backend of {choice.file} fails:\n{error.tail}"
            raise ResolutionError(msg, hint="choose a version that has a wheel, or one that builds") from error
        return json.dumps(asdict(found), sort_keys=True)

    data = json.loads(
        memo.remember(bench.cache / "sdists" / f"{choice.sha256.hex}-{bench.interpreter.version}.json", find)
    )
    return Sdist(
        requires=tuple(data["requires"]), build_requires=tuple(data["build_requires"]), compiles=data["compiles"]
    )


def resolve_build(bench: Bench, choice: Choice, requires: Sequence[str]) -> list[Pin]:
    """Pin the build requirements of an sdist."""
    if not requires:
        return []
    return pip.compile_pins(bench, pip.host_platform(), wanted={f"build-requirements-of-{choice.name}.txt": requires})


def _ask(bench: Bench, source: Path, scratch: Path) -> Sdist:
    """Install what pyproject.toml names, ask what more is needed, install that too, and ask for the metadata."""
    system = {**_DEFAULT, **_load_pyproject(source).get("build-system", {})}
    requires = [str(line) for line in system["requires"]]
    env = _install(bench, requires, scratch / "env-1")
    more = _call(bench, source, system, hook="requires", env=env)["requires"]
    if more:
        requires = sorted({*requires, *more})
        env = _install(bench, requires, scratch / "env-2")
    (scratch / "metadata").mkdir()
    answer = _call(bench, source, system, hook="metadata", env=env, target=scratch / "metadata")
    text = answer["metadata"] or (source / "PKG-INFO").read_text(encoding="utf-8")
    return Sdist(
        requires=_parse_metadata(text), build_requires=tuple(sorted(set(requires))), compiles=_compiles(source, system)
    )


def _install(bench: Bench, requires: Sequence[str], folder: Path) -> Path:
    """Install pinned build requirements into a folder of their own."""
    folder.mkdir()
    if requires:
        locked = pip.compile_pins(bench, pip.host_platform(), wanted={"build-requirements.txt": requires})
        listing = folder.with_suffix(".txt")
        listing.write_text(pins.render(locked, python=""), encoding="utf-8")
        argv = [str(bench.interpreter.tools), "-sP", "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile"]
        argv += [
            "--no-warn-script-location",
            "--require-hashes",
            "--target",
            str(folder),
            "--requirement",
            str(listing),
        ]
        bench.runner(argv, env=config.environment(PIP_NO_INPUT="1", PIP_DISABLE_PIP_VERSION_CHECK="1"))
    return folder


def _call(
    bench: Bench, source: Path, system: dict[str, Any], *, hook: str, env: Path, target: Path | None = None
) -> dict[str, Any]:
    request = {
        "action": "call_backend",
        "backend": system["build-backend"],
        "backend_path": system.get("backend-path"),
        "env": {"PYTHONPATH": str(env), "PATH": f"{env / 'bin'}:{config.environment().get('PATH', '')}"},
        "hook": hook,
        "python": str(bench.interpreter.python),
        "source": str(source),
        "target": str(target or ""),
    }
    answer: dict[str, Any] = drive(bench.interpreter.tools, request, runner=bench.runner)
    return answer


def _unpack(archive: Path, folder: Path) -> Path:
    """Unpack an sdist and return the one folder in it."""
    target = folder / "source"
    target.mkdir()
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(target)  # noqa: S202 - zipfile keeps members inside
    else:
        with tarfile.open(archive) as packed_tar:
            packed_tar.extractall(target, _checked(packed_tar))  # noqa: S202 - see there
    (top,) = (path for path in target.iterdir() if path.is_dir())
    return top


def _checked(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Yield what leaves no file outside the target, writable; Debian 12's Python has no filters for this yet."""
    for member in archive:
        if member.name.startswith("/") or ".." in Path(member.name).parts:
            msg = f"{member.name} leads out of the sdist"
            raise ResolutionError(msg, hint="do not use this package")
        member.mode |= 0o700 if member.isdir() else 0o600
        yield member


def _load_pyproject(source: Path) -> dict[str, Any]:
    path = source / "pyproject.toml"
    return tomllib.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def _parse_metadata(text: str) -> tuple[str, ...]:
    return tuple(" ".join(str(line).split()) for line in HeaderParser().parsestr(text).get_all("Requires-Dist") or ())


def _compiles(source: Path, system: dict[str, Any]) -> bool:
    if system["build-backend"] in _COMPILED_BACKENDS:
        return True
    texts = (source / name for name in ("setup.py", "pyproject.toml", "setup.cfg"))
    return any(_EXTENSION.search(path.read_text(encoding="utf-8", errors="replace")) for path in texts if path.exists())
