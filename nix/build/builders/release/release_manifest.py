"""Builder: the release manifest of a service, as docs/release-manifest.md describes it."""

import json
from pathlib import Path
from typing import Any

import attrs
from static_files import PLACE

MANIFEST = "release.json"
FORMAT = 2


def describe_image(path: Path) -> dict[str, Any]:
    """Return the digests of an OCI layout: of its index, and of each platform's manifest."""
    index = json.loads((path / "index.json").read_text())["manifests"][0]
    entries = json.loads((path / "blobs" / index["digest"].replace(":", "/")).read_text())["manifests"]
    return {
        "digest": index["digest"],
        "path": str(path),
        "platforms": {_platform(entry["platform"]): entry["digest"] for entry in entries},
    }


def _platform(oci: dict[str, str]) -> str:
    """Return a platform in OCI's notation, `os/architecture[/variant]`."""
    return "/".join(oci[key] for key in ("os", "architecture", "variant") if key in oci)


def is_remote(static: Path) -> bool:
    """Tell whether the settings keep static files on another machine, which a release brings them to."""
    return bool(json.loads((static / PLACE).read_text()).get("remote"))


def main() -> None:
    """Build the derivation."""
    given = attrs.load()
    out = attrs.output(given)
    out.mkdir()
    manifest = {
        "format": FORMAT,
        "service": given["service"],
        "version": given["version"],
        "commit": given["revision"],
        "lock": given["lock"],
        "migrations": json.loads(Path(given["migrations"]).read_text()),
        "image": describe_image(Path(given["image"])) if given["image"] else None,
        "host": given["host"],
        "uploads": bool(given["static"]) and is_remote(Path(given["static"])),
        "gates": {},
    }
    (out / MANIFEST).write_text(json.dumps(manifest, sort_keys=True, indent=1) + "\n")


if __name__ == "__main__":
    main()
