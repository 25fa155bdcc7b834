"""One wheel, unpacked into the image's environment, and what it says of itself."""

import json
import sys
import zipfile
from collections.abc import Iterator
from email.message import Message
from email.parser import Parser
from pathlib import Path
from typing import Any

import attrs
import expansion

VENV = "/opt/venv"
"""Where the environment is in the image."""


def install(wheel: Path, root: Path, *, python: str) -> None:
    """Install a wheel below `root` as pip would: purelib, platlib, data, scripts, entry points, RECORD.

    Args:
        wheel: The file, with its real name.
        root: The image's root.
        python: Minor version, such as `3.13`.

    Raises:
        installer.exceptions.InstallerError: The wheel breaks the specification.
        ValueError: It unpacks to far more than a real one of its size.
    """
    # The library is on sys.path only after `build` has put it there.
    from installer import install as install_wheel  # noqa: PLC0415
    from installer.sources import WheelFile  # noqa: PLC0415

    from destination import Destination  # noqa: PLC0415

    packages = f"{VENV}/lib/python{python}/site-packages"
    with zipfile.ZipFile(wheel) as archive:
        _check_size(wheel, archive)
        source = WheelFile(archive)
        destination = Destination(
            {
                "purelib": packages,
                "platlib": packages,
                "scripts": f"{VENV}/bin",
                "data": VENV,
                "headers": f"{VENV}/include/site/python{python}/{source.distribution}",
            },
            interpreter=f"{VENV}/bin/python",
            script_kind="posix",
            destdir=str(root),
        )
        install_wheel(source, destination, {"INSTALLER": b"estiba\n"})
    # As with pip, a script is a program whether its archive says so or not.
    for script in root.glob(f"{VENV[1:]}/bin/*"):
        script.chmod(0o755)


def _check_size(wheel: Path, archive: zipfile.ZipFile) -> None:
    # No more than it says comes out of a member.
    unpacked = sum(member.file_size for member in archive.infolist())
    expansion.check(wheel.name, packed=wheel.stat().st_size, unpacked=unpacked)


def describe(root: Path) -> dict[str, Any]:
    """Read licence, summary and bundled components (PEP 770) from the `*.dist-info` below `root`."""
    (metadata_file,) = root.glob(f"{VENV[1:]}/lib/python*/site-packages/*.dist-info/METADATA")
    metadata = Parser().parsestr(metadata_file.read_text(encoding="utf-8", errors="replace"), headersonly=True)
    documents = [json.loads(path.read_text()) for path in sorted(metadata_file.parent.glob("sboms/*.json"))]
    return {
        "bundled": [part for document in documents for part in document.get("components", [])],
        "expression": metadata.get("License-Expression", ""),
        "license": _license(metadata),
        "summary": metadata.get("Summary", ""),
    }


def _license(metadata: Message) -> str:
    """Return the licence's free text if that is short, else its classifier; for packages from before PEP 639."""
    text = (metadata.get("License") or "").strip()
    # Old versions of setuptools write UNKNOWN for what was not given.
    if text and "\n" not in text and text != "UNKNOWN":
        return text
    classifiers = [line for line in metadata.get_all("Classifier", []) if line.startswith("License ::")]
    return classifiers[0].rpartition(" :: ")[2] if classifiers else ""


def build() -> Iterator[tuple[Path, str]]:
    """Build the derivation but for its bytecode; yield each folder of packages and its place in the image."""
    given = attrs.load()
    out = attrs.output(given)
    sys.path.insert(0, given["installer"])
    packages = f"{VENV}/lib/python{given['python']}/site-packages"
    for name, each in given["wheels"].items():
        root = out / name / "root"
        try:
            install(_find(Path(each["wheel"]), each["file"]), root, python=given["python"])
        except Exception as error:
            # Many errors of damaged archives do not say in which file they are.
            error.add_note(f"{each['file']} cannot be unpacked")
            raise
        (out / name / "description.json").write_text(json.dumps(describe(root), indent=1, sort_keys=True) + "\n")
        yield root / packages[1:], packages


def _find(wheel: Path, file: str) -> Path:
    """Return a wheel under its real name: a store name has a hash in front, an sdist's result is a folder with one."""
    if wheel.is_dir():
        (found,) = wheel.glob("*.whl")
        return found
    named = Path.cwd() / file
    named.symlink_to(wheel)
    return named
