"""The form of the logs."""

import json
import logging

import pytest
from django.conf import settings
from django.http import HttpResponse
from django.test import Client, RequestFactory

from config.logs import NAME, RELEASE, EcsFormatter, RequestMiddleware, request_id


def write(level: int, text: str, *values: object, fault: BaseException | None = None) -> dict:
    """Return the fields of a record's line."""
    info = (type(fault), fault, fault.__traceback__) if fault else None
    line = EcsFormatter().format(logging.LogRecord("harbour", level, "", 0, text, values, info))
    assert "\n" not in line
    return json.loads(line)


@pytest.mark.parametrize("level", ["info", "warning", "error"])
def test_record_is_one_json_line(level: str) -> None:
    """A record is one JSON object in the Elastic Common Schema, with its level and the release."""
    fields = write(getattr(logging, level.upper()), "late by %d\nhours", 3)

    assert (fields["log.level"], fields["log"]["logger"]) == (level, "harbour")
    assert (fields["message"], fields["service"]) == ("late by 3\nhours", {"name": NAME, "version": RELEASE})
    assert fields["@timestamp"].endswith("Z")
    assert fields["ecs.version"]


def test_logs_go_to_the_standard_output() -> None:
    """Whoever runs the process collects its logs; there are no files, and nothing is said twice."""
    assert settings.LOGGING["handlers"]["stdout"]["stream"] == "ext://sys.stdout"
    assert settings.LOGGING["root"]["handlers"] == ["stdout"]


def test_fault_is_in_the_record() -> None:
    """An exception stays in the line of its record."""
    try:
        raise ValueError("no cargo")
    except ValueError as error:
        fields = write(logging.ERROR, "failed", fault=error)

    assert (fields["error"]["type"], fields["error"]["message"]) == ("ValueError", "no cargo")
    assert 'raise ValueError("no cargo")' in fields["error"]["stack_trace"]


def test_request_has_an_id_and_a_line(caplog: pytest.LogCaptureFixture) -> None:
    """The id is in the answer, in the line about it, and in all others of that request; nothing of the query is."""
    page = Client(headers={"x-forwarded-proto": "https"}).get("/no-such-page?name=ada")

    (record,) = [record for record in caplog.records if record.name == "request"]
    assert (page.headers["X-Release"], len(page.headers["X-Request-ID"])) == (RELEASE, 32)
    assert record.getMessage() == "GET /no-such-page answered 404"
    line = EcsFormatter().format(record)
    assert ("ada" in line, json.loads(line)["event"]["duration"] > 1000) == (False, True)


@pytest.mark.parametrize(("status", "level"), [(404, "INFO"), (503, "WARNING")])
def test_fault_has_a_level_of_its_own(caplog: pytest.LogCaptureFixture, status: int, level: str) -> None:
    """Who looks for warnings finds the requests that failed for a fault of ours, and no others."""
    RequestMiddleware(lambda _: HttpResponse(status=status))(RequestFactory().get("/"))

    assert [record.levelname for record in caplog.records if record.name == "request"] == [level]


@pytest.mark.parametrize(
    ("given", "is_taken"), [("0af7651916cd43dd8448eb211c80319c", True), ("x", False), ('"}\n' * 9, False)]
)
def test_id_of_a_proxy_is_taken_if_it_is_one(given: str, is_taken: bool) -> None:
    """A proxy in front may have begun the trail; what is no id is replaced."""
    page = Client(headers={"x-forwarded-proto": "https", "x-request-id": given}).get("/no-such-page")

    assert (page.headers["X-Request-ID"] == given) is is_taken


def test_line_of_a_request_names_it() -> None:
    """What is logged while a request is answered has its id."""
    token = request_id.set("4f3c2d1b")
    try:
        assert write(logging.INFO, "loaded")["http"]["request"]["id"] == "4f3c2d1b"
    finally:
        request_id.reset(token)
    assert "http" not in write(logging.INFO, "loaded")
