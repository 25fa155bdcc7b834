from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.unit.test_release_manifest import MANIFEST

from estiba.deploy.logbook import Record
from estiba.deploy.ssh import codec
from estiba.deploy.target import Changes, Observation, PlannedMigration, Release, Report, Workload
from estiba.errors import ChoiceError, ConfigError, EstibaError, RolledBackError, TargetError

RECORD = Record.begin("deploy").end("deployed", migrations=("shop.0001",), restarted=("nginx 1.26",))
RELEASE = Release(number=3, digest="sha256:00", version="1.0", commit="")
REPORT = Report(
    target="production",
    kind="host",
    service="shop",
    is_ready=True,
    release=RELEASE,
    workloads=(Workload(name="web", state="up", seconds=3),),
    addresses={"page": "http://shop.example/"},
    last=RECORD,
    notes=("a note",),
    details={"pids": {"web": 3}},
)
CHANGES = Changes(
    is_pending=True,
    before=None,
    migrations=(PlannedMigration(name="shop.0001", contracts=("drops",)),),
    commands=(("migrate",),),
    state={"revision": "0"},
)


@pytest.mark.parametrize(
    ("method", "value"),
    [
        pytest.param("deploy", RECORD, id="record"),
        pytest.param("status", REPORT, id="report"),
        pytest.param("plan", CHANGES, id="changes"),
        pytest.param("observe", Observation(requests=1, failures=0, restarts=0, exceptions={"E": 2}), id="observation"),
        pytest.param("records", [RECORD], id="list"),
        pytest.param("variables", frozenset({"A", "B"}), id="set"),
        pytest.param("check", ("a reason",), id="reasons"),
        pytest.param("addresses", {"page": "/"}, id="addresses"),
        pytest.param("attach", 3, id="number"),
        pytest.param("smoke", None, id="nothing"),
        pytest.param("logs", ("one", "two"), id="lines"),
    ],
)
def test_results_come_back_as_they_were(method: str, value: Any) -> None:  # noqa: ANN401 - of any method
    """Whatever a method of a target returns is the same on the other side of the connection."""
    sent = json.loads(json.dumps(codec.encode(value)))

    assert codec.decode(codec.hints(method)["return"], sent) == value


def test_arguments_arrive_as_they_were() -> None:
    """A manifest with its digests and paths, and a time with its zone."""
    manifest = MANIFEST
    since = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)

    assert codec.decode(codec.hints("deploy")["manifest"], json.loads(json.dumps(codec.encode(manifest)))) == manifest
    assert codec.decode(codec.hints("observe")["since"], codec.encode(since)) == since


@pytest.mark.parametrize(
    "error",
    [
        RolledBackError("it failed", hint="mend it"),
        ConfigError("pyproject.toml", ["one", "two"]),
        ChoiceError("process", "wep", ["web"]),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_keep_their_class_and_their_code(error: EstibaError) -> None:
    """A script here sees the exit code of there; the message says where."""
    found = codec.restore(json.loads(json.dumps(codec.describe(error))), "ana@shop")

    assert type(found) is type(error)
    assert str(found) == f"ana@shop: {error}"
    assert vars(found).keys() == vars(error).keys()


def test_error_of_an_unknown_class_is_one_of_the_target() -> None:
    """Nothing but an error of ours is ever made of what a server says."""
    found = codec.restore({"class": "annotations", "hint": "", "message": "no", "more": {}}, "shop")

    assert type(found) is TargetError


@pytest.mark.parametrize("line", ["", "Welcome!", "{ Welcome }", "[1]", "1", "[" * 100_000])
def test_line_of_a_login_is_no_answer(line: str) -> None:
    """Whatever a shell there prints at its start."""
    assert codec.parse_line(line) == {}
    assert codec.parse_line('{"result": null}') == {"result": None}


def test_error_of_a_file_is_one_of_the_target() -> None:
    """With the file, and what is wrong with it."""
    found = codec.describe(OSError(28, "No space left on device", "/data/journal.json"))

    assert (found["class"], found["message"]) == ("TargetError", "/data/journal.json: No space left on device")
    assert codec.describe(OSError("cut"))["message"] == "the connection: cut"
