"""Builder: Debian packages unpacked anywhere, whose programs run from there with their own loader and libraries."""

import re
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import attrs
import deb

_ELF = b"\x7fELF"
_PROGRAM_INTERPRETER = 3
_UNWANTED = ("usr/share/doc/", "usr/share/man/", "usr/share/locale/", "usr/share/lintian/", "usr/share/bug/", "var/")
# glibc looks for these in an installed system alone, wherever it is itself.
_CONVERTERS = re.compile(r"usr/lib/[^/]+/gconv/")
_OUTSIDE_USR = ("bin/", "lib/", "lib64/", "sbin/")


def place(name: str) -> str:
    """Return where a member of a package belongs, relative to the root; empty for what is left out.

    Debian 12 has some files outside /usr, for links that stand there in an installed system (merged /usr).
    """
    path = name.removeprefix("./").rstrip("/")
    if f"{path}/".startswith(_UNWANTED):
        return ""
    placed = f"usr/{path}" if f"{path}/".startswith(_OUTSIDE_USR) else path
    return "" if _CONVERTERS.match(f"{placed}/") else placed


def unpack(package: Path, root: Path) -> None:
    """Unpack the files of one package below `root`; absolute links are made to point into `root`.

    Raises:
        ValueError: A file would be written elsewhere.
    """
    _, data = deb.tarballs(package)
    with data:
        for member in data:
            if not (path := place(member.name)):
                continue
            target = root / path
            if target != root and not _is_inside(target, root):
                msg = f"{package.name}: {member.name} leads out of the root"
                raise ValueError(msg)
            if is_shadowed(member, target):
                continue
            if member.isdir():
                target.mkdir(parents=True, exist_ok=True)
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            _write(data, member, target, root)


def _is_inside(target: Path, root: Path) -> bool:
    """Tell whether a file would be written below the root, and through no link that leads out of it."""
    return ".." not in target.parts and target.parent.resolve().is_relative_to(root.resolve())


def is_shadowed(member: tarfile.TarInfo, target: Path) -> bool:
    """Tell whether a link stands for a folder that is there under another name, or already.

    Debian 13's base-files ships `bin`, `lib`, `lib64` and `sbin` as links, and what is behind them is moved here. As
    with dpkg, a link never replaces a folder (dpkg-maintscript-helper(1), "switching a directory to symlink").
    """
    is_merged = f"{member.name.removeprefix('./')}/" in _OUTSIDE_USR
    return member.issym() and (is_merged or (target.is_dir() and not target.is_symlink()))


def _write(data: tarfile.TarFile, member: tarfile.TarInfo, target: Path, root: Path) -> None:
    target.unlink(missing_ok=True)
    if member.issym():
        link = member.linkname
        target.symlink_to(root / place(link.lstrip("/")) if link.startswith("/") else link)
    elif member.islnk():
        target.hardlink_to(root / place(member.linkname))
    elif content := data.extractfile(member):
        with target.open("wb") as file:
            shutil.copyfileobj(content, file)
        target.chmod(0o755 if member.mode & 0o111 else 0o644)


def has_interpreter(path: Path) -> bool:
    """Tell whether a file is a program that needs the dynamic loader (64-bit little-endian ELF with PT_INTERP)."""
    with path.open("rb") as file:
        header = file.read(64)
        if len(header) < 64 or not header.startswith(_ELF):  # noqa: PLR2004 - the size of the ELF header
            return False
        offset = int.from_bytes(header[32:40], "little")
        size, count = int.from_bytes(header[54:56], "little"), int.from_bytes(header[56:58], "little")
        file.seek(offset)
        table = file.read(size * count)
    kinds = (int.from_bytes(table[at : at + 4], "little") for at in range(0, len(table), size))
    return _PROGRAM_INTERPRETER in kinds


def relocate(path: Path, *, tree: Path, compiler: dict[str, Any]) -> None:
    """Make one program use the loader and the libraries of an unpacked tree.

    RPATH and not RUNPATH, because only the former holds for the libraries' own libraries.

    Raises:
        subprocess.CalledProcessError: patchelf failed.
    """
    libraries = tree / "usr/lib" / compiler["triplet"]
    loader = libraries / Path(compiler["loader"]).name
    flags = ["--set-interpreter", str(loader), "--force-rpath", "--set-rpath", str(libraries)]
    subprocess.run([f"{compiler['tree']}/usr/bin/patchelf", *flags, str(path)], check=True)


def main() -> None:
    """Build the derivation."""
    given = attrs.load()
    out = attrs.output(given)
    out.mkdir()
    for package in given["debs"]:
        unpack(Path(package), out)
    for path in given["without"]:
        (out / path).unlink()
    programs = [path for path in sorted(out.rglob("*")) if path.is_file() and not path.is_symlink()]
    done: set[int] = set()
    for path in programs:
        inode = path.stat().st_ino
        if inode not in done and has_interpreter(path):
            done.add(inode)
            relocate(path, tree=out, compiler=given["compiler"])
    if given["wrappers"]:
        shutil.copytree(given["wrappers"], out / "bin")
        (out / "bin").chmod(0o755)
    for name in given["links"]:
        (out / "bin").mkdir(exist_ok=True)
        (out / "bin" / name).symlink_to(Path("../usr/bin", name))


if __name__ == "__main__":
    main()
