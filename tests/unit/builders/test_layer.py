from __future__ import annotations

import gzip
import hashlib
import io
import json
import subprocess
import sys
import tarfile
from typing import TYPE_CHECKING, Any

import pytest
import zstandard

import layer
import tree_layer
from entries import Entries, file

if TYPE_CHECKING:
    from pathlib import Path

# Compresses with the library and takes the options of the program; the integration tests run the program itself.
ZSTD = """#!{python}
import sys, zstandard
assert sys.argv[1:] == ["-3", "--single-thread", "--quiet", "--stdout"], sys.argv
sys.stdout.buffer.write(zstandard.ZstdCompressor(level=3).compress(sys.stdin.buffer.read()))
"""


@pytest.fixture
def zstd(tmp_path: Path) -> str:
    """Make a compressor."""
    program = tmp_path / "zstd"
    program.write_text(ZSTD.format(python=sys.executable))
    program.chmod(0o755)
    return str(program)


def write(out: Path, compression: str, zstd: str = "", *, empty: bool = False) -> tuple[bytes, dict[str, Any]]:
    """Write a layer and return its blob and description."""
    entries = Entries()
    if not empty:
        entries.add("etc/motd", file(b"hola\n" * 1000))
    layer.write(entries, out, name="base", contents=["libc6 2.41"], compression=compression, zstd=zstd)
    return (out / "blob").read_bytes(), json.loads((out / "layer.json").read_text())


def digest(data: bytes) -> str:
    """Return the digest as OCI writes it."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_description_fits_the_blob(tmp_path: Path, zstd: str, compression: str) -> None:
    """Digest and size are of the compressed blob, `diff_id` and `unpacked` of the archive in it."""
    blob, described = write(tmp_path / "out", compression, zstd)
    archive = (
        gzip.decompress(blob)
        if compression == "gzip"
        else zstandard.ZstdDecompressor().decompressobj().decompress(blob)
    )

    assert described == {
        "contents": ["libc6 2.41"],
        "diff_id": digest(archive),
        "digest": digest(blob),
        "empty": False,
        "media_type": f"application/vnd.oci.image.layer.v1.tar+{compression}",
        "name": "base",
        "size": len(blob),
        "unpacked": len(archive),
    }
    with tarfile.open(fileobj=io.BytesIO(archive)) as members:
        assert members.getnames() == ["etc", "etc/motd"]


def test_gzip_has_no_time_and_no_name(tmp_path: Path) -> None:
    """The header of the compressed stream has neither, so two runs are the same to the byte."""
    blob, _ = write(tmp_path / "one", "gzip")

    assert blob[3:8] == bytes(5)
    assert write(tmp_path / "another", "gzip")[0] == blob


def test_empty_layer_says_so(tmp_path: Path) -> None:
    """A layer without files is marked, for the image to leave it out."""
    assert write(tmp_path / "out", "gzip", empty=True)[1]["empty"] is True


def test_failing_compressor_fails_the_layer(tmp_path: Path) -> None:
    """A compressor that ends with an error leaves no description behind."""
    program = tmp_path / "zstd"
    program.write_text("#!/bin/sh\ncat >/dev/null\nexit 3\n")
    program.chmod(0o755)

    with pytest.raises(subprocess.CalledProcessError, match="exit status 3"):
        write(tmp_path / "out", "zstd", str(program))
    assert not (tmp_path / "out/layer.json").exists()


def test_later_tree_wins(tmp_path: Path) -> None:
    """Roots are laid over one another; folders are joined, and of two files the later one stays."""
    for name, path in (("one", "a/x"), ("one", "a/y"), ("two", "a/y")):
        target = tmp_path / name / "root" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(name)

    entries = tree_layer.entries([tmp_path / "one", tmp_path / "two"])

    assert {path: entry.read() for path, entry in entries.items.items() if entry.content} == {
        "a/x": b"one",
        "a/y": b"two",
    }
