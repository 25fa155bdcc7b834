"""What a target says is served, whatever others did to the Helm release, and which pages count as there."""

from __future__ import annotations

import http.server
import json
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.unit.test_release_manifest import MANIFEST

from estiba import config
from estiba.deploy.kubernetes import settings
from estiba.deploy.kubernetes.client import pages
from estiba.deploy.kubernetes.target import KubernetesTarget
from estiba.errors import TargetError
from estiba.process import Completed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

NOT_FOUND = "Error: release: not found"


def revision(status: str, number: int = 5) -> str:
    """Return what Helm says of one revision."""
    return json.dumps([{"revision": number, "status": status}])


def make_target(folder: Path, history: str, tail: str = "") -> KubernetesTarget:
    """Return a target whose fifth revision Estiba has verified, and of whose history Helm says something."""
    release = {"fingerprint": "1", "manifest": MANIFEST.to_dict(), "origin": 5, "verified": True}
    known = {"metadata": {"name": "estiba-shop"}, "data": {"releases.json": json.dumps({"5": release})}}

    def run(argv: Sequence[str], **_: object) -> Completed:
        words = [word for word in argv if not word.startswith("--")]
        if words[:2] == ["helm", "history"]:
            return Completed(argv=tuple(argv), code=int(not history), stdout=history, tail=tail)
        said = {"configmap": known, "pods": {"items": []}}.get(words[2])
        return Completed(argv=tuple(argv), code=0, stdout=json.dumps(said) if said else "", tail="")

    table = {"image": "registry.example/shop", "chart": str(folder)}
    return KubernetesTarget(
        service="shop",
        config=replace(config.load(), state_dir=folder),
        settings=settings.parse("production", table, folder=folder, service="shop"),
        runner=run,
    )


def test_release_that_somebody_has_uninstalled_is_not_served(tmp_path: Path) -> None:
    """Helm counts from 1 again, so that the numbers of before mean nothing; so it is after a killed `invoke down`."""
    assert make_target(tmp_path, "", NOT_FOUND).status().release is None
    assert make_target(tmp_path, revision("deployed", 2)).status().release is None

    release = make_target(tmp_path, revision("deployed")).status().release
    assert release is not None
    assert release.number == 5


@pytest.mark.parametrize(
    "tail", ["Error: exec: executable cloud-auth not found", "Error: secrets is forbidden: namespace not found"]
)
def test_error_of_helms_is_no_first_release(tmp_path: Path, tail: str) -> None:
    """What is not found may be a program that gives credentials: a release that is served is not forgotten."""
    with pytest.raises(TargetError, match="not found"):
        make_target(tmp_path, "", tail).status()


@pytest.mark.parametrize(
    ("location", "problem"),
    [("/en/", ""), ("{url}en/", ""), ("{url}", "answers 302"), ("{url}?again", "answers 302"), ("https://other/", "")],
)
def test_page_may_redirect_but_to_itself(monkeypatch: pytest.MonkeyPatch, location: str, problem: str) -> None:
    """A service that redirects to its languages works; one that asks for HTTPS for ever does not."""
    monkeypatch.setattr("time.sleep", lambda _: None)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(302)
            self.send_header("Location", location.format(url=url))
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        url = f"http://127.0.0.1:{server.server_port}/"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            assert pages.find_problem(url) == problem
        finally:
            server.shutdown()
            thread.join()
