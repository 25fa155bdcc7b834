"""nginx itself, by the files of a host target, of Docker Compose, and of the chart's sidecar."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import json
import subprocess
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
import yaml
from tests.services import debian, ports

from estiba.publish import chart as charts
from estiba.scaffold import compose as composes
from services import choose_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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


def compose(top: Path, port: int, web: int = 0, networks: tuple[str, ...] = ()) -> str:
    """Return the configuration of Docker Compose within the least that nginx needs around it."""
    given: dict[str, Any] = yaml.safe_load((charts.own() / "values.yaml").read_text())
    text = composes.configure_nginx({**given, "trustedProxies": networks}).replace("$$", "$")
    text = text.replace("listen 8080", f"listen 127.0.0.1:{port}")
    return enclose(top, text.replace(f"{composes.WEB}:8000", f"127.0.0.1:{web or choose_port(0)}"))


def sidecar(top: Path, port: int, web: int, networks: tuple[str, ...]) -> str:
    """Return the configuration of the chart's sidecar, likewise."""
    values = {
        "image": {"repository": "shop", "tag": "1"},
        "static": {"mode": "nginx", "nginx": {"image": "nginx", "port": port}},
        "processes": {"web": {"port": web}},
        "trustedProxies": networks,
    }
    (top / "values.json").write_text(json.dumps(values))
    argv = ["helm", "template", "shop", str(charts.own()), "--values", str(top / "values.json")]
    made = subprocess.run([*argv, "--show-only=templates/nginx.yaml"], capture_output=True, text=True, check=True)
    text: str = yaml.safe_load(made.stdout)["data"]["default.conf"]
    return enclose(top, text.replace("listen ", "listen 127.0.0.1:"))


def enclose(top: Path, server: str) -> str:
    """Return the least that nginx needs around a server."""
    paths = " ".join(f"{name}_temp_path {top}/{name};" for name in PATHS)
    return WHOLE.format(top=top, paths=paths, server=server)


@contextlib.contextmanager
def serving(top: Path, port: int, text: str) -> Iterator[None]:
    """Run nginx with a configuration."""
    file = top / "nginx.conf"
    file.write_text(text)
    program = debian.unpack("nginx") / "usr/sbin/nginx"
    with subprocess.Popen([str(program), "-e", "stderr", "-p", str(top), "-c", str(file)]) as process:
        try:
            ports.wait_for(port, process)
            yield
        finally:
            process.terminate()


@pytest.mark.parametrize("configure", [host, compose])
def test_people_are_told_that_the_service_is_away(tmp_path: Path, configure: Callable[[Path, int], str]) -> None:
    """A page in both languages that nobody keeps, with the code that programs look at."""
    port = choose_port(0)
    with serving(tmp_path, port, configure(tmp_path, port)), pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30)

    page = caught.value.read().decode()
    assert (caught.value.code, caught.value.headers["Content-Type"]) == (502, "text/html; charset=utf-8")
    assert (caught.value.headers["Cache-Control"], caught.value.headers["Retry-After"]) == ("no-store", "60")
    assert all(words in page for words in ("try again in a minute", "Vuelva a intentarlo"))


class Echo(http.server.BaseHTTPRequestHandler):
    """Answers with what a proxy says of a request."""

    def do_GET(self) -> None:
        """Answer."""
        self.send_response(200)
        self.end_headers()
        said = [self.headers[f"X-Forwarded-{name}"] for name in ("Proto", "For")]
        self.wfile.write(" ".join(said).encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.mark.parametrize("configure", [compose, sidecar])
@pytest.mark.parametrize(
    ("networks", "seen"),
    [(("127.0.0.0/8",), "https 203.0.113.9"), (("192.0.2.0/24",), "http 127.0.0.1"), ((), "http 127.0.0.1")],
    ids=["trusted", "others", "nobody"],
)
def test_proxies_that_are_named_say_who_asks_and_how(
    tmp_path: Path, configure: Callable[[Path, int, int, tuple[str, ...]], str], networks: tuple[str, ...], seen: str
) -> None:
    """What anybody else says is dropped."""
    port = choose_port(0)
    told = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "198.51.100.7, 203.0.113.9"}
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with serving(tmp_path, port, configure(tmp_path, port, server.server_port, networks)):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            connection.request("GET", "/", headers=told)
            found = connection.getresponse().read().decode()
            connection.close()
        server.shutdown()

    assert found == seen
