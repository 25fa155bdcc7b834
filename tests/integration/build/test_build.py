"""What a build makes of a service, and what a change of the service changes in it."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from tests.services import harbour, rootfs
from tests.services import shop as shop_service

from estiba.build import flake, oci_image
from estiba.errors import ArtifactError, BuildError, CommandError
from estiba.image import layout, media_types
from estiba.image.manifest import Platform
from estiba.nix import commands as nix

if TYPE_CHECKING:
    from pathlib import Path

    from estiba.build.oci_image import Built

PLATFORMS = ("aarch64-linux", "x86_64-linux")
SAMPLES = shop_service.SOURCE.parent
OF_LAYERS = ("application", "debian")
WHEELS = ("dist-cffi", "dists-runtime", "dist-crcmod", "dist-docopt")
"""Whose bytecode or build is known to be hard to repeat; pycparser is among those that share derivations."""


def changed(built: Built) -> set[tuple[str, str]]:
    """Return platform and name of the layers that the image built before lacks."""
    return {(layer.platform, layer.name) for layer in built.layers if layer.changed}


def digests(built: Built) -> list[tuple[str, str, str]]:
    """Return what tells one image's layers from another's."""
    return [(layer.platform, layer.name, layer.digest) for layer in built.layers]


def documents(built: Built, architecture: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return manifest and configuration of one platform's image."""
    read = layout.read(built.path)
    image = read.image(Platform(os="linux", architecture=architecture))
    return json.loads(image.document.data), json.loads(read.blob(image.manifest.config.digest).read_bytes())


def edit(file: Path, old: str, new: str) -> None:
    """Replace a piece of a file, which must be there."""
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


@pytest.fixture
def copied(shop: Path, shop_image: Built, tmp_path: Path) -> Path:
    """Return a copy of the service, which knows its image, to change."""
    assert shop_image.digest
    return shop_service.copy(shop, tmp_path / "shop")


def test_nothing_changes_by_itself(shop: Path, shop_image: Built) -> None:
    """A second build has the same digest and the same path, and no layer is new."""
    again = shop_service.built(shop)

    assert (again.digest, again.path, changed(again)) == (shop_image.digest, shop_image.path, set())
    assert again.platforms == PLATFORMS


def test_layers_are_the_same_when_built_again(shop_image: Built) -> None:
    """Nix builds every layer, and the distributions that are known for trouble, twice, and compares all bytes."""
    deriver = nix_store("--query", "--deriver", str(shop_image.path))[0]
    derivations = nix_store("--query", "--requisites", deriver)
    names = {path: path[44:].removesuffix(".drv") for path in derivations if path.endswith(".drv")}
    wanted = [
        path
        for path, name in names.items()
        if name.startswith("layer-") or name in OF_LAYERS or name.startswith(WHEELS)
    ]
    assert {names[path] for path in wanted} >= {*OF_LAYERS, "layer-python-small"}
    assert sum(names[path].startswith(WHEELS) for path in wanted) >= len(WHEELS)

    nix_store("--realise", "--check", *wanted)


def nix_store(*arguments: str) -> list[str]:
    """Run nix-store and return the lines that it prints."""
    done = subprocess.run(["nix-store", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_one_line_moves_one_layer(copied: Path) -> None:
    """A change in the application changes its layer, which is one blob for all platforms, and no other."""
    edit(copied / "catalog/views.py", '"status": "ok"', '"status": "well"')
    shop_service.commit(copied, "Feel well")

    built = shop_service.built(copied)

    assert changed(built) == {(platform, "application") for platform in PLATFORMS}
    assert len({layer.digest for layer in built.layers if layer.changed}) == 1


def test_one_distribution_moves_one_layer(copied: Path) -> None:
    """Another version of one distribution changes the layer that holds it, and the application's pyproject.toml."""
    edit(copied / "pyproject.toml", '"docopt"', '"docopt<0.6.2"')
    for task in ("lock", "fetch"):
        harbour.invoke(copied, task)

    built = shop_service.built(copied)

    assert changed(built) == {
        (platform, name) for platform in PLATFORMS for name in ("application", "python-small-native")
    }
    (small,) = [
        layer for layer in built.layers if (layer.platform, layer.name) == (PLATFORMS[1], "python-small-native")
    ]
    assert any(title.startswith("docopt 0.6.1") for title in small.contents)


def test_one_platform_is_the_same_alone(copied: Path, shop_image: Built) -> None:
    """The image for one platform does not depend on whether others are built with it."""
    alone = oci_image.build(copied, shop_service.settings(), platform="aarch64-linux")

    assert alone.platforms == ("aarch64-linux",)
    assert changed(alone) == set()
    assert documents(alone, "arm64") == documents(shop_image, "arm64")


def test_folder_without_git_and_flake(copied: Path, shop_image: Built) -> None:
    """An ordinary folder gives the same layers, without a commit; what must stay secret stays out."""
    (copied / ".git").rename(copied.with_name("git"))
    (copied / "flake.nix").unlink()
    for name in (".env", "config/.env.production", "server.key"):
        (copied / name).write_text("PASSWORD=kq3v9XwLz0\n")

    built = shop_service.built(copied)

    assert digests(built) == digests(shop_image)
    manifest, config = documents(built, "amd64")
    assert config["created"] == "1970-01-01T00:00:00Z"
    assert media_types.REVISION not in manifest["annotations"]


def test_repository_without_a_flake(copied: Path, shop_image: Built) -> None:
    """A service in a repository need not have a flake to have its commit in the image."""
    shop_service.git(copied, "rm", "--quiet", "flake.nix")
    shop_service.commit(copied, "Do without a flake")

    built = shop_service.built(copied)

    assert digests(built) == digests(shop_image)
    _, config = documents(built, "amd64")
    assert config["created"] == "2026-01-02T03:04:05Z"


def test_image_says_where_it_comes_from(shop: Path, shop_image: Built) -> None:
    """Annotations and labels name service, version, commit and lock; the time is the commit's."""
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=shop, capture_output=True, text=True, check=True)
    for architecture in ("amd64", "arm64"):
        manifest, config = documents(shop_image, architecture)
        assert manifest["annotations"] == config["config"]["Labels"]
        assert manifest["annotations"][media_types.TITLE] == "shop"
        assert manifest["annotations"][media_types.REVISION] == commit.stdout.strip()
        assert manifest["annotations"][media_types.LOCK_DIGEST].startswith("sha256:")
        assert config["created"] == "2026-01-02T03:04:05Z"


def test_gzip_for_old_engines(copied: Path, shop_image: Built, tmp_path: Path) -> None:
    """With `compression = "gzip"` the layers hold the same files in another wrapping."""
    edit(copied / "pyproject.toml", "[tool.estiba]\n", '[tool.estiba]\ncompression = "gzip"\n')

    built = oci_image.build(copied, shop_service.settings(), platform="x86_64-linux")

    manifest, config = documents(built, "amd64")
    assert {layer["mediaType"] for layer in manifest["layers"]} == {media_types.LAYER_GZIP}
    _, before = documents(shop_image, "amd64")
    assert config["rootfs"]["diff_ids"][:-1] == before["rootfs"]["diff_ids"][:-1]
    assert rootfs.unpack(built.path, tmp_path / "root").python("import django; print(django.__name__)") == "django"


def test_missing_artifacts_are_named(copied: Path, shop_image: Built) -> None:
    """All that the lock names and the store lacks is told, with the command that helps; the last image stays."""
    lock = json.loads((copied / "estiba.lock").read_text())
    chosen = [each for each in lock["distributions"] if each["name"] in {"django", "docopt", "pillow"}]
    chosen += [each for each in lock["build_distributions"] if each["name"] == "setuptools"]
    chosen += [each for each in lock["debs"] if each["name"] == "tzdata"]
    for number, record in enumerate(chosen):
        edit(copied / "estiba.lock", record["sha256"], f"{number:064}")

    with pytest.raises(ArtifactError) as caught:
        shop_service.built(copied)

    assert len(chosen) == 6
    listed = "".join(f"\n  - {file}" for file in sorted(record["file"] for record in chosen))
    assert str(caught.value) == f"not in the store:{listed}\n  hint: invoke fetch"
    assert (copied / oci_image.RESULT).resolve() == shop_image.path


def test_settings_that_do_not_load(copied: Path) -> None:
    """Settings that need what a build has not fail with their own traceback and with what to do."""
    (copied / "config/settings.py").write_text('import os\n\nKEY = os.environ["NOT_THERE"]\n')

    with pytest.raises(BuildError) as caught:
        shop_service.built(copied)

    lines = str(caught.value).splitlines()
    assert "  | KeyError: 'NOT_THERE'" in lines
    assert "  | collectstatic failed: KeyError: 'NOT_THERE', at config/settings.py:3" in lines
    assert lines[-2].startswith("  | settings must load with build-time values ([tool.estiba] env)")
    assert lines[-1].startswith("  hint: nix log /nix/store/")


def test_lock_that_git_does_not_know(copied: Path) -> None:
    """A lock that was not added is not in the flake's source, and Nix would only say that a file is missing."""
    shop_service.git(copied, "rm", "--quiet", "--cached", "estiba.lock")

    with pytest.raises(BuildError) as caught:
        shop_service.built(copied)

    expected = "estiba.lock is not in git, and a build sees only what is\n  hint: git add estiba.lock"
    assert str(caught.value) == expected


def test_plain_build_refuses_what_git_does_not_have(copied: Path) -> None:
    """Whoever builds without our commands is told the same of submodules and of pointers."""
    locks = flake.lock_inputs(copied, shop_service.settings())
    for name, text, told in (
        (".gitmodules", '[submodule "other"]\n\tpath = libs/other\n', "libs/other: a build sees no files of a git"),
        ("model.bin", "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n", "model.bin: in Git LFS,"),
    ):
        (copied / name).write_text(text)
        shop_service.git(copied, "add", name)
        with pytest.raises(CommandError) as caught:
            nix.build(f"{copied}#application", lock_file=locks)

        assert told in caught.value.tail
        shop_service.git(copied, "rm", "--quiet", "--force", name)


def test_committed_lock_builds_with_an_older_debian(tmp_path: Path) -> None:
    """A lock made long ago, for Debian 12 and its Python, still fetches, builds, and runs."""
    service = shop_service.copy(SAMPLES / "tiny", tmp_path / "tiny")
    (service / "tasks.py").write_text(shop_service.TASKS)
    harbour.invoke(service, "fetch")

    built = oci_image.build(service, shop_service.settings(), platform="x86_64-linux")

    root = rootfs.unpack(built.path, tmp_path / "root")
    trusted = "len(ssl.create_default_context().get_ca_certs()) > 50"
    code = f"import sys, ssl, sqlite3, django; print(sys.version_info[:2], {trusted})"
    assert root.python(code) == "(3, 11) True"
    assert root.run("/opt/venv/bin/django-admin", "version").stdout.startswith("5.2")
