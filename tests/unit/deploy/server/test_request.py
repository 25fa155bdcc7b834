from __future__ import annotations

import dataclasses
import json
import logging
from typing import TYPE_CHECKING, cast

import pytest
from tests.unit.deploy.server.test_jobs import REQUEST

from estiba import config
from estiba.deploy.server import request as requests
from estiba.errors import BusyError, TargetError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from estiba.deploy.host.target import HostTarget


def outcome(call: Callable[[Callable[[str], None]], object]) -> tuple[dict[str, object], list[Mapping[str, str]]]:
    """Return the outcome of a request for `down`, and what was reported meanwhile."""

    class Target:
        def down(self, *, on_status: Callable[[str], None]) -> object:
            return call(on_status)

    said: list[Mapping[str, str]] = []
    request = dataclasses.replace(requests.parse(REQUEST), method="down")
    return requests.execute(request, cast("HostTarget", Target()), said.append), said


def raising(error: BaseException) -> Callable[[object], object]:
    """Return a function that raises an error."""

    def call(_: object) -> object:
        raise error

    return call


def test_progress_and_warnings_are_reported() -> None:
    """In the order in which they come."""

    def call(on_status: Callable[[str], None]) -> object:
        on_status("stopping")
        logging.getLogger("estiba.deploy").warning("take %s", "care")
        return None

    assert outcome(call) == ({"result": None}, [{"status": "stopping"}, {"warning": "take care"}])


def test_every_end_is_an_outcome() -> None:
    """Also a bug there, whose place is named."""
    error = outcome(raising(BusyError("held", hint="wait")))[0]["error"]
    assert error == {"class": "BusyError", "hint": "wait", "message": "held", "more": {}}
    assert outcome(raising(KeyboardInterrupt("back")))[0] == {"interrupted": "back"}
    bug = json.dumps(outcome(raising(ZeroDivisionError("division")))[0])
    assert "ZeroDivisionError: division (test_request.py, line" in bug


def test_target_is_the_users_own(tmp_path: Path) -> None:
    """Its folder is that of the service and the target; the file with variables goes when it is no more needed."""
    settings = dataclasses.replace(config.load(), state_dir=tmp_path / "state")
    target = requests.make_target(requests.parse(REQUEST), settings, tmp_path)

    assert target.settings.folder == tmp_path / "state" / "shop" / "production"
    assert target.settings.env_file is not None
    assert target.settings.env_file.read_text() == "TOKEN=geheim\n"
    assert target.settings.env_file.stat().st_mode & 0o777 == 0o600
    requests.forget(tmp_path)
    assert not target.settings.env_file.exists()


@pytest.mark.parametrize("text", ["[]", "1", "{}", "{", '{"method": "deploy"}'])
def test_other_texts_are_no_requests(text: str) -> None:
    """One error says so."""
    with pytest.raises(TargetError, match="the request is incomplete"):
        requests.parse(text)
