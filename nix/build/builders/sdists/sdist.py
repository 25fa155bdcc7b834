"""Builder: a wheel from an sdist, in a root with the locked toolchain and the sdist's own locked build requirements."""

import shutil
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import attrs
import build_root
import expansion
import needed

_DRIVER = Path(__file__).with_name("build_wheel.py")


def unpack(sdist: Path, target: Path, *, name: str) -> Path:
    """Unpack an sdist and return its one top-level folder, renamed so that paths are the same everywhere.

    Args:
        sdist: A `.zip` or tar file, or a folder of sources.
        target: Where to unpack.
        name: The file's name, which tells its kind.

    Raises:
        ValueError: A member would be written outside the folder, or all are far larger than those of a real sdist.
    """
    if sdist.is_dir():
        return _copy(sdist, target / "source")
    if name.endswith(".zip"):
        with zipfile.ZipFile(sdist) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
            expansion.check(name, packed=sdist.stat().st_size, unpacked=unpacked)
            archive.extractall(target / "unpacked")  # noqa: S202 - leaves no file outside its target
    else:
        with tarfile.open(sdist) as archive:
            archive.extractall(target / "unpacked", _checked(archive, name, sdist.stat().st_size))  # noqa: S202 - see there
    (top,) = (target / "unpacked").iterdir()
    return top.rename(target / "source")


def _copy(folder: Path, target: Path) -> Path:
    """Copy sources from the store, which is read-only, to where backends may write beside them."""
    shutil.copytree(folder, target, symlinks=True)
    for path in (target, *target.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | 0o200)
    return target


def _checked(archive: tarfile.TarFile, name: str, packed: int) -> Iterator[tarfile.TarInfo]:
    """Yield what leaves no file outside the target, writable; Debian 12's Python has no filters for this yet."""
    unpacked = 0
    for member in archive:
        unpacked += member.size
        expansion.check(name, packed=packed, unpacked=unpacked)
        if member.name.startswith("/") or ".." in Path(member.name).parts:
            msg = f"{member.name} leads out of the sdist"
            raise ValueError(msg)
        member.mode |= 0o700 if member.isdir() else 0o600
        yield member


def refuse_missing(wheel: Path, *, toolchain: Path, runtime: Path, name: str) -> None:
    """Stop with the setting to change if a wheel was linked with libraries that the image would not have."""
    missing = needed.find_missing(needed.read(wheel), toolchain=toolchain, runtime=runtime)
    if missing:
        listed = ", ".join(f"{library} of Debian's {package}" for library, package in missing.items())
        wanted = ", ".join(f'"{package}"' for package in sorted(set(missing.values())))
        sys.exit(f"{name} needs {listed}, which the image would not have; add to [tool.estiba]: debian = [{wanted}]")


def main() -> None:
    """Build the derivation."""
    given = attrs.load()
    work = Path.cwd() / "work"
    work.mkdir()
    (work / "wheels").mkdir()
    unpack(Path(given["sdist"]), work, name=given["file"])
    root = build_root.assemble(
        Path(given["tree"]),
        binds={"/opt": Path(given["frame"], "root/opt"), "/build": work, "/build_wheel.py": _DRIVER},
        env=given["environment"],
    )
    command = ["/opt/venv/bin/python", "-B", "/build_wheel.py", "/build/wheels"]
    if root.run(command, cwd="/build/source") != 0:
        sys.exit(
            f"{given['file']}, which has no wheel to take instead, could not be built: a missing header or library "
            "goes into [tool.estiba] debian-build, a build requirement that is too new into build-constraints"
        )
    (wheel,) = (work / "wheels").iterdir()
    refuse_missing(wheel, toolchain=Path(given["tree"]), runtime=Path(given["runtime"]), name=given["file"])
    if given["foreign"] and not wheel.name.endswith("-any.whl"):
        sys.exit(
            f"{given['file']} holds compiled code and has no wheel for {given['foreign']}; "
            "build on that platform, or take it out of [tool.estiba] platforms"
        )
    root.give_back()
    out = attrs.output(given)
    out.mkdir()
    shutil.move(wheel, out)


if __name__ == "__main__":
    main()
