"""What an sdist needs to be built, and what it says about itself; found by asking its own build backend."""

from __future__ import annotations

import functools
import json
import re
import tarfile
import tempfile
import tomllib
import zipfile
from dataclasses import asdict, dataclass, replace
from email.parser import HeaderParser
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from estiba.errors import CommandError, ResolutionError
from estiba.lock import disk_cache
from estiba.lock.python import pins, pip
from estiba.lock.python.pip import Choice
from estiba.lock.sdist import backend
from estiba.lock.sdist.backend import Question

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from estiba.lock.python.pins import Pin
    from estiba.lock.python.pip import Bench

_DEFAULT: Final = {"requires": ["setuptools>=40.8.0"], "build-backend": "setuptools.build_meta:__legacy__"}
_COMPILED_BACKENDS: Final = ("maturin", "mesonpy", "scikit_build_core.build", "scikit_build_core.setuptools.build_meta")
_EXTENSION: Final = re.compile(r"ext_modules|ext-modules|\bExtension\(|cffi_modules|rust_extensions|RustExtension")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sdist:
    """What one sdist says.

    Attributes:
        metadata: Its core metadata.
        build_requires: What its build environment must hold, as PEP 508 lines.
        compiles: Whether it has extension modules that a compiler builds.
    """

    metadata: str
    build_requires: tuple[str, ...]
    compiles: bool

    @property
    def requires(self) -> tuple[str, ...]:
        """Its `Requires-Dist` lines."""
        return _parse_metadata(self.metadata)


def read_wheel(path: Path) -> tuple[str, ...]:
    """Return the `Requires-Dist` lines of a wheel."""
    with zipfile.ZipFile(path) as wheel:
        name = next(name for name in wheel.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", name))
        return _parse_metadata(wheel.read(name).decode("utf-8", "replace"))


def inspect(bench: Bench, choice: Choice) -> Sdist:
    """Ask an sdist's build backend; the answer is remembered in the cache folder.

    Most backends need nothing but Python. One that fails, perhaps for want of a program or a header, is asked again in
    the sandbox, where it has the locked toolchain.

    Raises:
        ResolutionError: Its build requirements do not resolve, or its backend fails; carries the reason.
    """

    def find() -> str:
        try:
            found = _ask(bench, choice, functools.partial(_ask_here, bench))
        except CommandError:
            found = _ask(bench, choice, functools.partial(bench.ask, choice))
        return json.dumps(asdict(found), sort_keys=True)

    data = json.loads(disk_cache.cached(bench.sdists / f"{choice.sha256.hex}.json", find))
    return Sdist(metadata=data["metadata"], build_requires=tuple(data["build_requires"]), compiles=data["compiles"])


def compile_pins(bench: Bench, platform: str, *, wanted: Mapping[str, Sequence[str]], **options: Any) -> list[Pin]:  # noqa: ANN401 - those of pip.compile_pins
    """Resolve requirements as `pip.compile_pins` does, and inspect the sdists that pip can learn nothing of.

    Raises:
        ResolutionError: No set of versions fits, or a build backend fails; carries the reason.
    """
    while isinstance(found := pip.compile_pins(bench, platform, wanted=wanted, **options), Choice):
        inspect(bench, found)
    return found


def resolve_build(bench: Bench, choice: Choice, requires: Sequence[str]) -> list[Pin]:
    """Pin the build requirements of an sdist."""
    if not requires:
        return []
    return compile_pins(bench, pip.host_platform(), wanted={f"build-requirements-of-{choice.name}.txt": requires})


def _ask_here(bench: Bench, question: Question) -> Mapping[str, Any]:
    return backend.ask(bench.interpreter, question, config=bench.config, runner=bench.runner)


def _ask(bench: Bench, choice: Choice, ask: Callable[[Question], Mapping[str, Any]]) -> Sdist:
    """Install what pyproject.toml names, ask what more is needed, install that too, and ask for the metadata."""
    with tempfile.TemporaryDirectory(prefix="estiba-") as scratch:
        source = _unpack(bench.artifacts.path(choice.sha256), Path(scratch))
        system = {**_DEFAULT, **_load_pyproject(source).get("build-system", {})}
        requires = [str(line) for line in system["requires"]]
        question = Question(
            hook="requires",
            backend=system["build-backend"],
            backend_path=tuple(system["backend-path"]) if "backend-path" in system else None,
            source=source,
            packages=_install(bench, choice, requires, Path(scratch, "env-1")),
            target=Path(scratch, "metadata"),
        )
        question.target.mkdir()
        more = ask(question)["requires"]
        if more:
            requires = sorted({*requires, *more})
            question = replace(question, packages=_install(bench, choice, requires, Path(scratch, "env-2")))
        text = ask(replace(question, hook="metadata"))["metadata"]
        return Sdist(
            metadata=text or (source / "PKG-INFO").read_text(encoding="utf-8"),
            build_requires=tuple(sorted(set(requires))),
            compiles=_compiles(source, system),
        )


def _install(bench: Bench, choice: Choice, requires: Sequence[str], folder: Path) -> Path:
    """Install pinned build requirements into a folder of their own."""
    folder.mkdir()
    if requires:
        locked = compile_pins(bench, pip.host_platform(), wanted={"build-requirements.txt": requires})
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
        try:
            bench.runner(argv, env=bench.config.environment(PIP_NO_INPUT="1", PIP_DISABLE_PIP_VERSION_CHECK="1"))
        except CommandError as error:
            msg = f"pip cannot install what builds {choice.file}:\n{error.tail}"
            raise ResolutionError(msg, hint="choose a version that has a wheel, or one that builds") from error
    return folder


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
