"""The image of a pod's first process, as containerd imports it."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

REFERENCE: Final = "localhost/pause:1"


def archive(program: Path) -> bytes:
    """Return an archive (`docker image save`) of an image that has one program."""
    layer = _tar({"pause": program.read_bytes()}, mode=0o755)
    digest = f"sha256:{hashlib.sha256(layer).hexdigest()}"
    configuration: Mapping[str, Any] = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Entrypoint": ["/pause"], "User": "65535:65535"},
        "rootfs": {"type": "layers", "diff_ids": [digest]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [REFERENCE], "Layers": ["layer.tar"]}]
    return _tar(
        {
            "config.json": json.dumps(configuration).encode(),
            "layer.tar": layer,
            "manifest.json": json.dumps(manifest).encode(),
        }
    )


def _tar(files: Mapping[str, bytes], *, mode: int = 0o644) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as packed:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), mode
            packed.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()
