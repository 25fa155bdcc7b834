"""Metadata and build requirements of sdists, from their build backends."""

from __future__ import annotations

import contextlib
import functools
import json
import re
import tarfile
import tempfile
import tomllib
import zipfile
import zlib
from dataclasses import asdict, dataclass, replace
from email.parser import HeaderParser
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from estiba.errors import CommandError, ResolutionError
from estiba.lock import disk_cache
from estiba.lock.python import interpreter, pins, pip
from estiba.lock.python.pip import Choice
from estiba.lock.sdist.backend import HookCall

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from estiba.lock.python.pins import Pin
    from estiba.lock.python.pip import ResolverContext

# What Python's modules raise for damaged archives, for TOML and for text that is not UTF-8.
_DAMAGE: Final = (EOFError, ValueError, tarfile.TarError, zipfile.BadZipFile, zlib.error)
# The build system of an sdist that declares none (PEP 518).
_DEFAULT: Final = {"requires": ["setuptools>=40.8.0"], "build-backend": "setuptools.build_meta:__legacy__"}
_COMPILED_BACKENDS: Final = ("maturin", "mesonpy", "scikit_build_core.build", "scikit_build_core.setuptools.build_meta")
_EXTENSION: Final = re.compile(r"ext_modules|ext-modules|\bExtension\(|cffi_modules|rust_extensions|RustExtension")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sdist:
    """Metadata of an sdist.

    Attributes:
        metadata: Core metadata, the text of METADATA or PKG-INFO.
        build_requires: Requirements of its build environment (PEP 508).
        compiles: Whether it seems to have extension modules, which need a compiler.
    """

    metadata: str
    build_requires: tuple[str, ...]
    compiles: bool

    @property
    def requires(self) -> tuple[str, ...]:
        """Its `Requires-Dist` fields."""
        return _parse_metadata(self.metadata)


def read_wheel(path: Path, choice: Choice) -> tuple[str, ...]:
    """Return the `Requires-Dist` fields of a wheel.

    Args:
        path: The file.
        choice: What it is, for the error.

    Raises:
        ResolutionError: It is damaged, or no wheel.
    """
    with _named(choice), zipfile.ZipFile(path) as wheel:
        (name,) = (name for name in wheel.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", name))
        return _parse_metadata(wheel.read(name).decode("utf-8", "replace"))


def inspect(resolver: ResolverContext, choice: Choice) -> Sdist:
    """Return the metadata of an sdist from its build backend; results are cached on disk.

    The backend runs in the sandbox, with the locked toolchain: it is code of others, which this user's files and the
    network are no concern of.

    Raises:
        ResolutionError: The file is damaged, the build requirements cannot be resolved, or the backend fails; the
            message quotes it.
    """

    def call_backend() -> str:
        found = _inspect(resolver, choice, functools.partial(resolver.call_hook_in_sandbox, choice))
        return json.dumps(asdict(found), sort_keys=True)

    data = json.loads(disk_cache.cached(resolver.sdists / f"{choice.sha256.hex}.json", call_backend))
    return Sdist(metadata=data["metadata"], build_requires=tuple(data["build_requires"]), compiles=data["compiles"])


def compile_pins(
    resolver: ResolverContext,
    platform: str,
    *,
    wanted: Mapping[str, Sequence[str]],
    **options: Any,  # noqa: ANN401 - those of pip.compile_pins
) -> list[Pin]:
    """Resolve requirements as `pip.compile_pins` does, inspecting the sdists that it comes upon.

    Raises:
        ResolutionError: No set of versions satisfies the requirements, or a build backend fails.
    """
    while isinstance(found := pip.compile_pins(resolver, platform, wanted=wanted, **options), Choice):
        inspect(resolver, found)
    return found


def resolve_build(resolver: ResolverContext, choice: Choice, requires: Sequence[str]) -> list[Pin]:
    """Return pins of the build requirements of an sdist."""
    return _compile_build(resolver, choice, requires) if requires else []


def _compile_build(resolver: ResolverContext, choice: Choice, requires: Sequence[str]) -> list[Pin]:
    return compile_pins(
        resolver,
        pip.host_platform(),
        wanted={f"build requirements of {choice.name} {choice.version}": requires},
        constraints=resolver.build_constraints,
    )


def _inspect(resolver: ResolverContext, choice: Choice, call_hook: Callable[[HookCall], Mapping[str, Any]]) -> Sdist:
    """Install the declared build requirements, then those that the backend adds, and get the metadata."""
    with tempfile.TemporaryDirectory(prefix="estiba-") as scratch:
        with _named(choice):
            source = _unpack(resolver.artifacts.path(choice.sha256), Path(scratch))
            system = {**_DEFAULT, **_load_pyproject(source).get("build-system", {})}
        requires = [str(line) for line in system["requires"]]
        hook_call = HookCall(
            hook="requires",
            backend=system["build-backend"],
            backend_path=tuple(system["backend-path"]) if "backend-path" in system else None,
            packages=_install(resolver, choice, requires, Path(scratch, "env-1")),
        )
        more = call_hook(hook_call)["requires"]
        if more:
            requires = sorted({*requires, *more})
            hook_call = replace(hook_call, packages=_install(resolver, choice, requires, Path(scratch, "env-2")))
        text = call_hook(replace(hook_call, hook="metadata"))["metadata"]
        return Sdist(
            metadata=text or (source / "PKG-INFO").read_text(encoding="utf-8"),
            build_requires=tuple(sorted(set(requires))),
            compiles=_compiles(source, system),
        )


def _install(resolver: ResolverContext, choice: Choice, requires: Sequence[str], folder: Path) -> Path:
    """Pin build requirements and install them into a new folder."""
    folder.mkdir()
    if requires:
        locked = _compile_build(resolver, choice, requires)
        listing = folder.with_suffix(".txt")
        listing.write_text(pins.render(locked, python=""), encoding="utf-8")
        argv = [str(resolver.interpreter.tools), "-sP", "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile"]
        argv += [
            "--no-warn-script-location",
            "--require-hashes",
            # pip would run the backend of another sdist here, outside the sandbox.
            "--only-binary=:all:",
            "--target",
            str(folder),
            "--requirement",
            str(listing),
        ]
        try:
            env = interpreter.isolate(resolver.interpreter, config=resolver.config, runner=resolver.runner)
            resolver.runner(argv, env=env)
        except CommandError as error:
            msg = f"pip cannot install what builds {choice.file}, for which it takes wheels alone:\n{error.tail}"
            raise ResolutionError(msg, hint="choose a version that has a wheel, or one that builds") from error
    return folder


@contextlib.contextmanager
def _named(choice: Choice) -> Iterator[None]:
    """Tell which file it is that cannot be read."""
    try:
        yield
    except _DAMAGE as error:
        msg = f"{choice.file}, which is {choice.name} {choice.version}, cannot be read: {error}"
        raise ResolutionError(msg, hint=f"choose another version of {choice.name}, and tell its project") from error


def _unpack(archive: Path, folder: Path) -> Path:
    """Unpack an sdist and return its top-level folder."""
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
    """Yield the members of an sdist, made writable, and refuse paths outside of it.

    It stands in for the extraction filters of PEP 706, which Debian 12's Python lacks.
    """
    for member in archive:
        if member.name.startswith("/") or ".." in Path(member.name).parts:
            msg = f"{member.name} leads out of the sdist"
            raise ResolutionError(msg, hint="do not use this package")
        # A read-only folder could not be filled, and backends write beside the sources.
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
