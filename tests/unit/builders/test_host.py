"""What is bound where in the root file system of a release for one machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.djangoproject import lay

import host

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def given(tmp_path: Path) -> dict[str, Any]:
    """Lay out the store paths that a release refers to."""
    tree = ("etc/hosts", "etc/passwd", "usr/share/doc/a", "usr/lib/python3.13/os.py", "var/lib/dpkg/status.d/a")
    lay(tmp_path / "tree", dict.fromkeys((*tree, "opt/other/a", "tmp/a"), ""))
    lay(tmp_path / "compiled", {"usr/lib/python3.13/os.py": ""})
    lay(tmp_path / "application/root/app", dict.fromkeys(("manage.py", "data/first.txt", "shop/urls.py"), ""))
    (tmp_path / "out").mkdir()
    return {
        "application": str(tmp_path / "application"),
        "compiler": {"tree": str(tmp_path / "compiled"), "python": "3.13"},
        "config": {"Env": ["LANG=C.UTF-8"], "WorkingDir": "/app", "Entrypoint": []},
        "env": "/nix/env",
        "frame": "/nix/frame",
        "persist": ["/app/data", "/var/lib/shop"],
        "static": str(tmp_path / "static"),
        "tree": str(tmp_path / "tree"),
    }


def plan(given: dict[str, Any], tmp_path: Path, *, static: str, media: str) -> dict[str, Any]:
    """Plan the root of a service with its folders."""
    lay(tmp_path / "static/root" / static[1:], {"site.css": ""})
    return host.plan_app(given, tmp_path / "out", media)


@pytest.mark.parametrize(
    ("static", "media"),
    [
        ("/usr/share/shop/static", "/app/media"),
        ("/tmp/static", "/opt/shop/media"),
        ("/opt/static", "/srv/media"),
        ("/srv/static", "/app/media"),
    ],
)
def test_nothing_around_a_folder_is_hidden(given: dict[str, Any], tmp_path: Path, static: str, media: str) -> None:
    """Only what a folder of the tree lacks is bound; data begins with what the service has there."""
    made = plan(given, tmp_path, static=static, media=media)

    (place,) = (one for one in made["binds"] if f"{static}/".startswith(f"{one}/"))
    assert made["binds"][place] == str(tmp_path / f"static/root{place}")
    assert not {"/opt", "/tmp", "/usr", "/usr/share", "/var", "/var/lib", media, "/app/data"} & made["binds"].keys()
    assert made["seeds"] == {"/app/data": str(tmp_path / "application/root/app/data")}


def test_uploads_inside_of_static_files_are_not_bound(given: dict[str, Any], tmp_path: Path) -> None:
    """What is beside them is, one by one, as a bind over the whole would hide them."""
    made = plan(given, tmp_path, static="/var/www/static", media="/var/www/static/media")

    assert made["binds"]["/var/www/static/site.css"] == str(tmp_path / "static/root/var/www/static/site.css")
    assert not {"/var", "/var/www", "/var/www/static", "/var/www/static/media", "/var/lib/shop"} & made["binds"].keys()


def test_machine_answers_for_its_names(given: dict[str, Any], tmp_path: Path) -> None:
    """All else of /etc is that of the image."""
    plan(given, tmp_path, static="/app/static", media="/app/media")

    links = {path.name: str(path.readlink()) for path in (tmp_path / "out/etc").iterdir()}
    assert links == {
        "hosts": "/run/host/hosts",
        "passwd": str(tmp_path / "tree/etc/passwd"),
        "resolv.conf": "/run/host/resolv.conf",
    }
