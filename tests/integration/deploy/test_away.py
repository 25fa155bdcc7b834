"""What nginx says in the service's place, by the files of a host target and of Docker Compose."""

from __future__ import annotations

import subprocess
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from tests.services import debian, ports

from services import choose_port

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT: Final = Path(__file__).parents[3]
LISTEN: Final = "listen 127.0.0.1:{port};\nset $estiba_target here;\n"
WHOLE: Final = "daemon off; pid {top}/pid; events {{}}\nhttp {{ access_log off; {paths} {server} }}\n"
PATHS: Final = ("client_body", "fastcgi", "proxy", "scgi", "uwsgi")


def host(top: Path, port: int) -> str:
    """Return the configuration of a host target, with its paths in a folder."""
    (top / "listen.conf").write_text(LISTEN.format(port=port))
    for name in ("http.conf", "trusted.conf"):
        (top / name).touch()
    text = (ROOT / "nix" / "build" / "host" / "nginx.conf").read_text()
    for old, new in (
        ("@types@", "text/css css;"),
        (" /tmp/", f" {top}/"),
        ("@static@", "/static/"),
        ("@media@", "/media/"),
        ("/srv/estiba", str(top)),
        ("/run/nginx.pid", f"{top}/pid"),
    ):
        text = text.replace(old, new)
    return text


def compose(top: Path, port: int) -> str:
    """Return the configuration of Docker Compose within the least that nginx needs around it."""
    text = (ROOT / "src" / "estiba" / "scaffold" / "nginx.conf").read_text()
    nobody = choose_port(0)
    for old, new in (
        ("@static@", "/static/"),
        ("@web@", f"127.0.0.1:{nobody}"),
        ("listen 8080", f"listen 127.0.0.1:{port}"),
    ):
        text = text.replace(old, new)
    paths = " ".join(f"{name}_temp_path {top}/{name};" for name in PATHS)
    return WHOLE.format(top=top, paths=paths, server=text)


@pytest.mark.parametrize("configure", [host, compose])
def test_people_are_told_that_the_service_is_away(tmp_path: Path, configure: Callable[[Path, int], str]) -> None:
    """A page in both languages that nobody keeps, with the code that programs look at."""
    port = choose_port(0)
    file = tmp_path / "nginx.conf"
    file.write_text(configure(tmp_path, port))
    program = debian.unpack("nginx") / "usr/sbin/nginx"
    with subprocess.Popen([str(program), "-e", "stderr", "-p", str(tmp_path), "-c", str(file)]) as process:
        try:
            ports.wait_for(port, process)
            with pytest.raises(urllib.error.HTTPError) as caught:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30)
        finally:
            process.terminate()

    page = caught.value.read().decode()
    assert (caught.value.code, caught.value.headers["Content-Type"]) == (502, "text/html; charset=utf-8")
    assert (caught.value.headers["Cache-Control"], caught.value.headers["Retry-After"]) == ("no-store", "60")
    assert all(words in page for words in ("try again in a minute", "Vuelva a intentarlo"))
