"""Files that Debian's maintainer scripts make, which no package holds: alternatives, and lists of plugins."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from tests.services import harbour, locking, rootfs

if TYPE_CHECKING:
    from pathlib import Path

DRAWING = """
import pathlib, subprocess
subprocess.run(["dot", "-Tsvg"], input=b"digraph { a -> b }", stdout=subprocess.PIPE, check=True)
(listed,) = pathlib.Path("/usr/lib").glob("*/graphviz/config6a")
drawn = [line for line in listed.read_text().split("\\n") if line]
print(len(drawn) > 100, all(line.startswith(("lib", "\\t", "}")) for line in drawn))
"""
PICTURES = """
import pathlib, subprocess
pathlib.Path("/tmp/a.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg" width="4" height="4"/>')
subprocess.run(["gdk-pixbuf-thumbnailer", "/tmp/a.svg", "/tmp/a.png"], check=True)
print(pathlib.Path("/tmp/a.png").read_bytes()[:4])
"""
# GLib ends a program that asks for settings where none are compiled, and its module for TLS asks.
ENCRYPTION = """
import ctypes
library = ctypes.CDLL("libgio-2.0.so.0")
library.g_tls_backend_get_default.restype = ctypes.c_void_p
print(library.g_tls_backend_supports_tls(ctypes.c_void_p(library.g_tls_backend_get_default())))
"""
GEODJANGO = "from django.contrib.gis import gdal, geos; print(bool(gdal.gdal_version()), bool(geos.geos_version()))"


@pytest.fixture
def service(tmp_path: Path) -> Path:
    """Copy the tiny service, without its tests' requirements."""
    folder = locking.prepare(locking.copy("tiny", tmp_path / "tiny"))
    locking.require(folder, "django~=5.2.0", "gunicorn", "whitenoise")
    return folder


def build(folder: Path, *packages: str) -> Path:
    """Build the service's image with Debian packages."""
    path = folder / "pyproject.toml"
    path.write_text(path.read_text().replace("[tool.estiba]\n", f"[tool.estiba]\ndebian = {json.dumps(packages)}\n"))
    for task in ("lock", "fetch", "build"):
        harbour.invoke(folder, task)
    return harbour.build(folder, "default")


def test_geodjango_is_imported_and_pictures_are_drawn(service: Path, tmp_path: Path) -> None:
    """GDAL needs a link that a script makes; dot, gdk-pixbuf and GLib need lists, which scripts have them write."""
    drawing = ("graphviz", "libgdk-pixbuf2.0-bin", "librsvg2-common")
    image = build(service, *drawing, "glib-networking", "libgdal32", "libgeos-c1v5", "libproj25")
    root = rootfs.unpack(image, tmp_path / "root")

    assert root.python(GEODJANGO) == "True True"
    assert root.python(DRAWING) == "True True"
    assert root.python(ENCRYPTION) == "1"
    assert root.python(PICTURES) == r"b'\x89PNG'"


def test_image_for_another_platform_has_the_same_links(service: Path, tmp_path: Path) -> None:
    """No program of the packages runs: scripts with loops, such as those of Java and ImageMagick, register the same."""
    image = build(service, "imagemagick-6.q16", "liblapack3", "openjdk-17-jre-headless")
    roots, links, stores = {}, {}, set()
    for architecture in ("amd64", "arm64"):
        roots[architecture] = rootfs.unpack(image, tmp_path / architecture, architecture=architecture)
        top = roots[architecture].top
        found = {path.name: str(path.readlink()) for path in (top / "etc/alternatives").iterdir() if path.is_symlink()}
        assert all((top / target.lstrip("/")).exists() for target in found.values())
        triplet = {"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}[architecture]
        assert (top / f"usr/lib/{triplet}/liblapack.so.3").readlink().name == f"liblapack.so.3-{triplet}"
        stores.add((top / "etc/ssl/certs/java/cacerts").read_bytes())
        links[architecture] = {
            name.replace(triplet, "T"): target.replace(triplet, "T").replace(architecture, "A")
            for name, target in found.items()
        }

    assert links["amd64"] == links["arm64"]
    assert len(stores) == 1
    assert "trustedCertEntry" in roots["amd64"].run("keytool", "-list", "-cacerts", "-storepass", "changeit").stdout
    assert links["amd64"]["java"] == "/usr/lib/jvm/java-17-openjdk-A/bin/java"
    assert links["amd64"]["convert"] == "/usr/bin/convert-im6.q16"
