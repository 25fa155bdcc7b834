"""A service whose own commands make its theme and a bundle in the build, and whose translations are compiled there."""

from __future__ import annotations

import gettext
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.services import harbour, rootfs
from tests.services import shop as shop_service

from estiba.image import layout
from estiba.image.manifest import Platform
from estiba.lock import model

if TYPE_CHECKING:
    from tests.services.rootfs import RootFs

AMD64 = Platform(os="linux", architecture="amd64")
SOURCE = Path(__file__).parents[2] / "fixtures" / "services" / "themed"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lock the service and fetch what it needs."""
    folder = shutil.copytree(SOURCE, tmp_path_factory.mktemp("themed") / "themed")
    (folder / "tasks.py").write_text(shop_service.TASKS)
    for task in ("lock", "fetch"):
        harbour.invoke(folder, task)
    return folder


@pytest.fixture(scope="module")
def image(service: Path) -> Path:
    """Build the service."""
    return Path(json.loads(harbour.invoke(service, "build", "--json").stdout)["path"])


@pytest.fixture(scope="module")
def root(image: Path, tmp_path_factory: pytest.TempPathFactory) -> RootFs:
    """Unpack its image."""
    return rootfs.unpack(image, tmp_path_factory.mktemp("root") / "root")


@pytest.fixture
def copied(service: Path, tmp_path: Path) -> Path:
    """Return a copy of the service to change."""
    return shop_service.copy(service, tmp_path / "themed")


def refuse(folder: Path, old: str, new: str) -> str:
    """Change a piece of pyproject.toml, build, which must fail, and return what was said."""
    file = folder / "pyproject.toml"
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))
    done = harbour.invoke(folder, "build", check=False)
    assert done.returncode == 7, done.stdout + done.stderr
    return done.stderr


def test_what_commands_write_is_in_the_image(root: RootFs) -> None:
    """The theme is in the application and, with the hash of its content, among the static files; so is the bundle."""
    app = root.top / "app"
    (hashed,) = (app / "staticfiles/themed").glob("theme.????????????.css")

    assert (app / "themed/static/themed/theme.css").read_text() == "body {\n  color: teal;\n}\n"
    assert hashed.read_bytes() == (app / "themed/static/themed/theme.css").read_bytes()
    messages = app / "themed/locale/es/LC_MESSAGES"
    assert {path.name: path.stat().st_mode & 0o777 for path in messages.iterdir()} == {
        "django.mo": 0o644,
        "django.po": 0o644,
    }
    assert (app / "staticfiles/bundles/site.js").is_file()


def test_translations_are_those_of_gettext(root: RootFs) -> None:
    """Plural forms and contexts are there, and what nobody has looked at (`fuzzy`) is not."""
    with (root.top / "app/themed/locale/es/LC_MESSAGES/django.mo").open("rb") as file:
        found = gettext.GNUTranslations(file)

    assert (found.gettext("freight"), found.pgettext("of a ship", "freight")) == ("carga", "flete")
    assert [found.ngettext("one box", "%(count)s boxes", number) for number in (1, 2)] == [
        "una caja",
        "%(count)s cajas",
    ]
    assert found.gettext("anchor") == "anchor"


def test_static_files_of_commands_are_where_a_server_looks(image: Path) -> None:
    """What a command wrote to STATIC_ROOT is among the collected files, which nginx serves by themselves."""
    read = layout.read(image)
    (static,) = (layer for layer in read.image(AMD64).layers if layer.name == "static")
    names = {member.name for member, _ in rootfs.members(read, static)}

    assert names >= {"app/staticfiles/bundles/site.js", "app/staticfiles/bundles/site.js.gz"}


def test_bytecode_is_that_of_the_image_alone(root: RootFs) -> None:
    """What a command compiled, with times in it, is gone; every file has the bytecode that is never checked."""
    compiled = sorted((root.top / "app").rglob("*.pyc"))

    assert root.top / "app/themed/__pycache__/urls.cpython-313.pyc" in compiled
    assert {path.read_bytes()[4] for path in compiled} == {1}


def test_packages_for_commands_are_not_in_the_image(service: Path, root: RootFs) -> None:
    """The root that the commands run in has them in addition."""
    lock = model.parse((service / "estiba.lock").read_text())
    groups = {deb.name: deb.groups for deb in lock.debs}

    assert groups["make"] == ("prepare",)
    assert {"base", "prepare"} <= set(groups["libc6"])
    assert not any(path.name.startswith("make") for path in (root.top / "var/lib/dpkg/status.d").iterdir())


def test_checks_see_what_commands_write(service: Path) -> None:
    """The service's own tests ask for the translation, the theme and the bundle."""
    found = json.loads(harbour.invoke(service, "check", "--json", check=False).stdout)

    assert found["tests"] == {"errors": 0, "failures": 0, "skipped": 0, "tests": 2}


def test_the_same_comes_out_elsewhere(service: Path, root: RootFs) -> None:
    """What the commands wrote is built a second time, from the same source."""
    assert root.top.is_dir()

    harbour.invoke(service, "build.verify")


def test_failing_command_is_told(copied: Path) -> None:
    """What it said itself comes before the sentence that names it, and the command that shows the rest."""
    said = refuse(copied, "--colour=teal", "--colour=none").splitlines()
    named = next(number for number, line in enumerate(said) if "manage.py build_theme --colour=none failed" in line)

    assert said[named - 1] == "  | CommandError: a theme has a colour"
    assert said[named].endswith("without a network and a database, and with the values of [tool.estiba] env")
    assert said[named + 1].strip().startswith("hint: nix log /nix/store/")


def test_catalogue_that_cannot_be_compiled(copied: Path) -> None:
    """It is named with the line, before anything else is built."""
    catalogue = copied / "themed/locale/es/LC_MESSAGES/django.po"
    catalogue.write_text(catalogue.read_text() + 'msgid "half\n')

    said = refuse(copied, "teal", "grey")

    assert "themed/locale/es/LC_MESSAGES/django.po:24: end-of-line within string" in said
    assert "msgfmt does not compile themed/locale/es/LC_MESSAGES/django.po" in said


def test_lock_without_the_packages_of_commands(copied: Path) -> None:
    """A lock from before they were wanted is refused with what to do."""
    lock = copied / "estiba.lock"
    lock.write_text(lock.read_text().replace('"prepare"', '"other"'))

    said = refuse(copied, "teal", "grey")

    assert "lacks the packages of debian-build for what [tool.estiba] prepare names; run: invoke lock" in said
