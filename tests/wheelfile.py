"""Writes small wheels."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def write(folder: Path, name: str, files: Mapping[str, str], *, version: str = "1.0", metadata: str = "") -> Path:
    """Write a pure wheel with its records and return where it is.

    Args:
        folder: Where it goes.
        name: Of the distribution, as in the file's name.
        files: Path in the wheel to text; `DIST` and `DATA` in a path stand for the two special folders.
        version: Of the distribution.
        metadata: More lines of its METADATA.
    """
    top = f"{name}-{version}"
    contents = {
        path.replace("DIST/", f"{top}.dist-info/").replace("DATA/", f"{top}.data/"): text.encode()
        for path, text in files.items()
    }
    core = f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n{metadata}"
    contents[f"{top}.dist-info/METADATA"] = core.encode()
    contents[f"{top}.dist-info/WHEEL"] = (
        b"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    )
    rows = [f"{path},{_hash(data)},{len(data)}" for path, data in contents.items()]
    contents[f"{top}.dist-info/RECORD"] = "\n".join([*rows, f"{top}.dist-info/RECORD,,", ""]).encode()
    target = folder / f"{top}-py3-none-any.whl"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in contents.items():
            archive.writestr(path, data)
    return target


def _hash(data: bytes) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
