from __future__ import annotations

import socket
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.recording import RecordingRunner
from tests.unit.deploy.host.front.test_front import free
from tests.unit.deploy.host.state.test_revisions import make

from estiba.deploy.host import settings
from estiba.deploy.host.front.front import Front
from estiba.deploy.host.front.published import Published

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def published(tmp_path: Path) -> Published:
    """Return the site of a target whose certificate is to be issued by an authority of its own."""
    table = {
        "hosts": ["www.example.org"],
        "tls": "acme",
        "acme": {"email": "ops@example.org"},
        "address": "127.0.0.1",
        "http-port": free(),
    }
    found = settings.parse("local", table, folder=tmp_path, state=tmp_path / "state")
    found.folder.mkdir(parents=True)
    front = Front.at(tmp_path / "all", RecordingRunner())
    return Published(front=front, settings=found, port=lambda: 8000, secret=lambda: "secret")


def register(published: Published, order: str, issued: str) -> None:
    """Write down the site as a deployment does, and what its keeper has got."""
    folder = published.front.folder
    folder.prepare({})
    for name, content in (
        ("sites", {"folder": str(published.settings.folder), "digest": "d", "acme": {"order": order}}),
        ("certificates", {"order": issued, "issued": issued, "problem": ""}),
    ):
        (folder.path / name).mkdir()
        folder.write(folder.path / name / f"{published._key}.json", content)


@pytest.mark.parametrize(
    ("issued", "problem"),
    [
        ("staging", "no other certificate was issued yet"),
        ("production", "there is no certificate, so that nothing is served by HTTPS"),
    ],
)
def test_certificate_of_another_authority_is_waited_for(published: Published, issued: str, problem: str) -> None:
    """That of before is valid for all hosts too, but visitors may not know who has issued it."""
    register(published, order="production", issued=issued)
    found = []
    body = f"{published._key} ready d"
    with socket.create_server(("127.0.0.1", published._tls.http_port)) as server:
        thread = threading.Thread(target=lambda: found.append(published._find_problem()))
        thread.start()
        with server.accept()[0] as connection:
            connection.recv(4096)
            connection.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
            thread.join()

    assert found == [problem]


def test_rollback_brings_the_front_back(published: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After invoke down nobody else does; where all runs, and for a release that has no front, it stays as it is."""
    release = replace(make(tmp_path / "one"), has_front=True)
    asked: list[str] = []
    monkeypatch.setattr(Published, "publish", lambda _, closure, __: asked.append(closure.version))
    published.restore(release, lambda _: None)
    published.restore(replace(release, has_front=False), lambda _: None)
    register(published, order="one", issued="one")
    monkeypatch.setattr(Front, "is_running", True)
    published.restore(release, lambda _: None)

    assert asked == ["1.0"]
