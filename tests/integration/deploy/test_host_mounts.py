"""Folders of a service on this machine: static files and uploads anywhere, and what outlives a release."""

from __future__ import annotations

import contextlib
import io
import os
import pty
import subprocess
import sys
import urllib.request
import zipfile
from typing import TYPE_CHECKING

import pytest
from tests.services import harbour, locking, sites

from estiba import config

if TYPE_CHECKING:
    from pathlib import Path

URLS = """
import io
import zipfile
from pathlib import Path

import django
from django.conf import settings
from django.http import HttpResponse
from django.urls import path
from django.views.static import serve


FOLDERS = (settings.MEDIA_ROOT, "/app/data", "/var/lib/tiny/more")


def write(request):
    for folder in FOLDERS:
        Path(folder, "written").write_text("kept")
    return HttpResponse("")


def page(request):
    lines = [" ".join(sorted(one.name for one in Path(folder).iterdir())) for folder in FOLDERS]
    around = [str(len([*Path(folder).iterdir()]) > 1) for folder in ("/usr/share", "/var", "/opt")]
    return HttpResponse("\\n".join([*lines, *around]))


def pack(request):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.write("/app/tiny/urls.py")
    return HttpResponse(made.getvalue())


PACKAGE = Path(django.__file__).parent
urlpatterns = [
    path("", page),
    path("write/", write),
    path("pack/", pack),
    path("own/<path:path>", serve, {"document_root": "/app/tiny/static"}),
    path("package/<path:path>", serve, {"document_root": PACKAGE / "contrib/admin/static/admin/css"}),
]
"""
SETTINGS = """
STATIC_ROOT = "{static}"
MEDIA_ROOT = "{media}"
MEDIA_URL = "/media/"
STATICFILES_DIRS = [BASE_DIR / "tiny" / "static"]
os.makedirs("/app/data/made", exist_ok=True)
os.makedirs("/var/lib/tiny/more/made", exist_ok=True)
"""


def deployed(folder: Path, static: str, media: str) -> Path:
    """Lay out the service with its folders."""
    made = locking.prepare(locking.copy("tiny", folder / "tiny"))
    (made / "tiny" / "urls.py").write_text(URLS)
    settings = made / "tiny" / "settings.py"
    text = settings.read_text().replace('":memory:"', 'os.environ.get("TINY_DATABASE", ":memory:")')
    settings.write_text(text + SETTINGS.format(static=static, media=media))
    for name in ("media", "data"):
        (made / name).mkdir()
        (made / name / ".gitignore").write_text("*\n")
        (made / name / "first.txt").write_text("of the service")
    file = made / "pyproject.toml"
    text = file.read_text().replace("[tool.estiba]\n", '[tool.estiba]\npersist = ["data", "/var/lib/tiny/more"]\n')
    file.write_text(f'{text}\n[tool.estiba.targets.local.env]\nTINY_DATABASE = "/tmp/tiny.sqlite3"\n')
    harbour.invoke(made, "fetch")
    return made


def read(port: int, path: str = "/") -> str:
    """Return a page."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as answer:
        return str(answer.read().decode())


def ask_again(port: int, path: str) -> int:
    """Return the status of a file that is asked for as by who has it: another release's may have its time, too."""
    url = f"http://127.0.0.1:{port}{path}"
    with urllib.request.urlopen(url, timeout=20) as answer:
        told = answer.headers["Last-Modified"]
    request = urllib.request.Request(url, headers={"If-Modified-Since": told})
    with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310 - an address of http
        return int(answer.status)


def converse(folder: Path, *words: str, answer: str) -> tuple[int, str]:
    """Run a management command on a terminal of its own, and answer what it asks."""
    ours, its = pty.openpty()
    env = config.load().environment(ESTIBA_FLAKE=harbour.LIBRARY, PYTHONPATH=str(harbour.ROOT / "src"))
    argv = [sys.executable, "-m", "invoke", "manage", "--", *words]
    with subprocess.Popen(
        argv, cwd=folder, env=env, stdin=its, stdout=its, stderr=its, start_new_session=True
    ) as child:
        os.close(its)
        os.write(ours, f"{answer}\n".encode())
        said = b""
        with contextlib.suppress(OSError):
            while found := os.read(ours, 4096):
                said += found
    os.close(ours)
    return child.returncode, said.decode()


@pytest.mark.parametrize(
    ("static", "media"),
    [
        ("/usr/share/tiny/static", "/app/media"),
        ("/tmp/static", "/opt/tiny/media"),
        ("/var/www/static", "/var/www/static/media"),
    ],
)
def test_folders_may_be_anywhere(tmp_path: Path, static: str, media: str) -> None:
    """Neither hides what else is around it, and what is written there is there after the next release."""
    folder = deployed(tmp_path, static, media)
    own = ".gitignore first.txt"
    media_files = own if media == "/app/media" else ""
    # Settings made folders in the places of data, in the build and where the service runs.
    data = f"{own} made"

    with sites.served(folder) as port:
        assert read(port).splitlines() == [media_files, data, "made", "True", "True", "True"]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/pack/", timeout=20) as answer:
            (packed,) = zipfile.ZipFile(io.BytesIO(answer.read())).infolist()
        assert packed.date_time > (1980, 1, 2)
        assert read(port, "/static/tiny.css")
        assert [ask_again(port, path) for path in ("/own/tiny.css", "/package/base.css")] == [200, 200]
        read(port, "/write/")
        (folder / "tiny" / "static" / "more.css").write_text("a {}")
        harbour.invoke(folder, "deploy")
        kept = [f"{own} written" if media_files else "written", f"{data} written", "made written"]
        assert read(port).splitlines()[:3] == kept
        assert read(port, "/static/more.css") == "a {}"
        assert read(port, "/media/written") == "kept"
        ask = "import sys; print(sys.stdin.isatty(), input('name? ').upper()); sys.exit(3)"
        code, said = converse(folder, "shell", "-c", ask, answer="ada")
        assert code == 3
        assert "name? True ADA" in said
