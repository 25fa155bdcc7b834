"""What is in the image of the sample service: its own records, and nothing that it does not need."""

from __future__ import annotations

import json
import re
import zlib
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from tests.services import rootfs

if TYPE_CHECKING:
    from pathlib import Path

    from tests.services.rootfs import RootFs

    from estiba.build.oci_image import Built

FREEZE = """
import importlib.metadata, json
found = importlib.metadata.distributions()
print(json.dumps({each.metadata["Name"]: each.version for each in found}))
"""
PLATFORM = {"platform_machine": "x86_64", "python_version": "3.13", "sys_platform": "linux"}


@pytest.fixture(scope="session")
def arm_root(shop_image: Built, tmp_path_factory: pytest.TempPathFactory) -> RootFs:
    """Unpack the image for the other architecture."""
    return rootfs.unpack(shop_image.path, tmp_path_factory.mktemp("arm64") / "root", architecture="arm64")


def installed(root: RootFs) -> dict[str, str]:
    """Ask the image's own Python for its distributions."""
    return normalised(root.python(FREEZE))


def normalised(printed: str) -> dict[str, str]:
    """Return the distributions that `FREEZE` has printed."""
    return {canonicalize_name(name): version for name, version in json.loads(printed).items()}


def billed(image: Path, platform: str, kind: str) -> dict[str, str]:
    """Return the packages of a kind in the CycloneDX document, name to version."""
    document = json.loads((image / "sbom" / f"{platform}.cdx.json").read_text())
    parts = [part for part in document["components"] if part["purl"].startswith(f"pkg:{kind}/")]
    return {part["name"]: part["version"] for part in parts}


def recorded(root: RootFs) -> dict[str, str]:
    """Return the Debian packages by their records, name to version."""
    texts = [file.read_text() for file in (root.top / "var/lib/dpkg/status.d").iterdir() if file.suffix != ".md5sums"]
    fields = [dict(re.findall(r"^(Package|Version): (.+)$", text, re.MULTILINE)) for text in texts]
    return {each["Package"]: each["Version"] for each in fields}


def required(requirements: Path) -> dict[str, str]:
    """Return what pip would install from a locked requirements file on x86_64, name to version."""
    text = re.sub(r"\\\n", " ", requirements.read_text())
    lines = [line.split("--hash")[0].strip() for line in text.splitlines() if re.match(r"[a-zA-Z0-9]", line)]
    chosen = [Requirement(line) for line in lines]
    return {
        canonicalize_name(each.name): str(each.specifier).removeprefix("==")
        for each in chosen
        if each.marker is None or each.marker.evaluate({**PLATFORM})
    }


def test_python_records_agree(shop: Path, shop_image: Built, shop_root: RootFs) -> None:
    """The interpreter sees what the bill of materials lists, and what pip would install from the lock."""
    found = installed(shop_root)

    assert found == billed(shop_image.path, "x86_64-linux", "pypi")
    assert found == required(shop / "requirements-lock.txt")
    assert "crcmod" in found


def test_debian_records_agree(shop: Path, shop_image: Built, shop_root: RootFs) -> None:
    """Scanners see the Debian packages that the bill of materials and the lock list."""
    lock = json.loads((shop / "estiba.lock").read_text())
    locked = {
        each["name"]: each["version"]
        for each in lock["debs"]
        if "x86_64-linux" in each["platforms"] and {"base", "service"} & set(each["groups"])
    }

    assert recorded(shop_root) == locked
    assert billed(shop_image.path, "x86_64-linux", "deb") == locked
    assert {"libpq5", "libc6"} <= locked.keys()


def test_licences_are_there(shop_root: RootFs) -> None:
    """Every Debian package has its licence, its own or by a link to that of another package."""
    folder = shop_root.top / "usr/share/doc"

    assert {name for name in recorded(shop_root) if not (folder / name / "copyright").exists()} == set()


def test_other_architecture_runs(arm_root: RootFs, shop_image: Built) -> None:
    """The image for arm64, built without emulation, runs: libraries in C, those of Debian, and the service itself."""
    code = "import platform, psycopg, PIL.Image, lxml.etree, cryptography.fernet, gunicorn.app.wsgiapp, rq.worker"

    machine, freeze = arm_root.python(f"{code}; print(platform.machine()){FREEZE}").splitlines()

    assert machine == "aarch64"
    assert normalised(freeze) == billed(shop_image.path, "aarch64-linux", "pypi")
    assert recorded(arm_root) == billed(shop_image.path, "aarch64-linux", "deb")
    assert "crcmod" not in normalised(freeze)


def test_compiled_libraries_load(shop_root: RootFs) -> None:
    """Wheels with C extensions, an sdist with one, and a library of Debian's found by ctypes all work."""
    code = """
import crcmod.crcmod, crcmod._crcfunext, lxml.etree, psycopg, cryptography.fernet, io
from PIL import Image
Image.new("L", (4, 4)).save(io.BytesIO(), format="PNG")
print(crcmod.predefined.mkCrcFun("crc-32")(b"hola"), psycopg.pq.__impl__)
"""
    assert shop_root.python(f"import crcmod.predefined\n{code}").split() == [str(zlib.crc32(b"hola")), "python"]


def test_console_scripts_start(shop_root: RootFs) -> None:
    """Scripts run the environment's interpreter."""
    assert shop_root.run("/opt/venv/bin/gunicorn", "--version").stdout.startswith("gunicorn (version ")
    assert shop_root.run("/opt/venv/bin/django-admin", "version").stdout.startswith("5.2")


def test_namespace_packages_and_data_files(shop_root: RootFs) -> None:
    """Parts of one namespace from different wheels lie side by side; data files of packages are read."""
    code = """
import jaraco.context, jaraco.functools, importlib.resources
admin = importlib.resources.files("django.contrib.admin") / "static/admin/css/base.css"
print(len(set(jaraco.__path__)), admin.is_file())
"""
    assert shop_root.python(code) == "1 True"


def test_environment_is_the_images(shop_root: RootFs) -> None:
    """The interpreter is Debian's, in the virtual environment, and pip and compilers of bytecode have nothing to do."""
    code = "import sys; print(sys.prefix, sys.base_prefix, sys.version_info[:2], sys.flags.dont_write_bytecode)"

    assert shop_root.python(code) == "/opt/venv /usr (3, 13) 1"


def test_all_code_is_compiled(shop_root: RootFs) -> None:
    """Every module that is loaded comes from bytecode that needs no look at its source."""
    code = """
import sys, importlib.util, pathlib
import django.core.management, lxml.etree, catalog.labels, estiba_runtime.commands
loaded = [m.__spec__ for m in sys.modules.values() if getattr(m, "__spec__", None) and m.__spec__.has_location]
sources = [s for s in loaded if s.origin.endswith(".py")]
# Debian's sitecustomize is a link to a file of settings.
cached = [pathlib.Path(s.cached) for s in sources if not pathlib.Path(s.origin).is_symlink()]
print(len(sources) > 200, [str(c) for c in cached if not c.exists() or c.read_bytes()[4] != 1])
"""
    paths = "import sys; sys.path[:0] = ['/app', '/opt/estiba']\n"

    assert shop_root.python(f"{paths}{code}") == "True []"


def test_nothing_is_left_of_the_building(shop_root: RootFs) -> None:
    """There is no compiler, no shell, no package manager, no header and no path of the store in the image."""
    names = {path.name for path in shop_root.top.rglob("bin/*")} | {path.name for path in shop_root.top.rglob("sbin/*")}

    assert not {name for name in names if re.match(r"(.*-)?(gcc|cc|cpp|ld|as|make|ar)(-\d+)?$", name)}
    assert not {"sh", "bash", "dash", "busybox", "perl", "apt", "apt-get", "dpkg", "pip", "pip3"} & names
    assert not list((shop_root.top / "usr").glob("include/**/*.h"))
    assert not (shop_root.top / "nix").exists()


def test_no_file_refers_to_the_store(shop_root: RootFs) -> None:
    """No script and no compiled library has a path of the machine that built it."""
    folders = [shop_root.top / name for name in ("app", "opt")]
    files = [path for top in folders for path in top.rglob("*") if path.is_file() and not path.is_symlink()]

    assert len(files) > 1000
    assert [str(path) for path in files if b"/nix/store/" in path.read_bytes()] == []


def test_application_holds_what_runs(shop_root: RootFs) -> None:
    """Tests, locks and what builds the image stay out; the service's own files are there."""
    names = {path.name for path in (shop_root.top / "app").iterdir()}

    assert {"catalog", "config", "manage.py", "staticfiles"} <= names
    assert not {"tests", "flake.nix", "estiba.lock", "requirements-lock.txt", "tasks.py", ".git", ".gitignore"} & names


def test_static_files_are_collected(shop_root: RootFs) -> None:
    """Files have hashed names, compressed copies and a manifest that the service reads."""
    folder = shop_root.top / "app/staticfiles"
    manifest = json.loads((folder / "staticfiles.json").read_text())["paths"]

    assert re.fullmatch(r"catalog/shop\.[0-9a-f]{12}\.css", manifest["catalog/shop.css"])
    assert (folder / manifest["catalog/shop.css"]).is_file()
    assert (folder / f"{manifest['admin/css/base.css']}.gz").is_file()


def test_nothing_gains_privileges(shop_root: RootFs) -> None:
    """No file has a set-user-id or set-group-id bit, and what all can write to is protected from others' deleting."""
    paths = [path for path in shop_root.top.rglob("*") if not path.is_symlink()]

    assert [str(path) for path in paths if path.stat().st_mode & 0o6000] == []
    open_to_all = {str(path.relative_to(shop_root.top)): path for path in paths if path.stat().st_mode & 0o002}
    assert {"tmp", "var/tmp"} <= open_to_all.keys()
    assert all(path.is_dir() and path.stat().st_mode & 0o1000 for path in open_to_all.values())
