from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

from estiba.deploy.kubernetes.client import pages

if TYPE_CHECKING:
    import pytest


def test_page_that_does_not_answer_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the words of the operating system."""
    monkeypatch.setattr(time, "sleep", lambda _: None)
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]

        assert pages.find_problem(f"http://127.0.0.1:{port}/") == "does not answer: Connection refused"
