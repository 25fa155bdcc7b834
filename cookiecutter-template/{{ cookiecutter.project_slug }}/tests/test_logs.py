"""The form of the logs."""

import json
import logging

from config.jsonlog import JsonFormatter


def test_record_is_one_json_line() -> None:
    """A record is one JSON object with time, level, logger and message."""
    record = logging.LogRecord("harbour", logging.WARNING, "", 0, "late by %d\nhours", (3,), None)

    line = JsonFormatter().format(record)

    fields = json.loads(line)
    assert (fields["level"], fields["logger"], fields["message"]) == ("warning", "harbour", "late by 3\nhours")
    assert "\n" not in line


def test_traceback_is_in_the_record() -> None:
    """An exception stays in the line of its record."""
    try:
        raise ValueError("no cargo")
    except ValueError as error:
        info = (type(error), error, error.__traceback__)
    record = logging.LogRecord("harbour", logging.ERROR, "", 0, "failed", (), info)

    assert "ValueError: no cargo" in json.loads(JsonFormatter().format(record))["exception"]
