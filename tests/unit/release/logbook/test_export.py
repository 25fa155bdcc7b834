"""Exports of the logbook, and entries in and out of JSON."""

from __future__ import annotations

import csv
import io
import json

import pytest

from estiba.errors import ChoiceError, ConfigError
from estiba.release.logbook import Entry, settings
from estiba.release.logbook.export import render

ENTRY = Entry(
    number=1,
    before="",
    hash="sha256:1",
    at="2026-03-04T05:06:07.000+00:00",
    service="shop",
    command="deploy",
    actor="ana | ben",
    version="1.0",
    reason="=HYPERLINK()\nsecond",
    migrations=("shop.0001", "shop.0002"),
    counts={"loans": 3},
)


def test_csv_has_all_fields_and_runs_no_formula() -> None:
    """A spreadsheet reads it, and runs nothing in it."""
    (row,) = csv.DictReader(io.StringIO(render([ENTRY], "csv")))

    assert (row["number"], row["migrations"], row["counts"]) == ("1", "shop.0001 shop.0002", '{"loans": 3}')
    assert row["reason"] == "'=HYPERLINK()\nsecond"


def test_json_is_read_back() -> None:
    """The export holds the entries themselves."""
    assert [Entry.from_dict(one) for one in json.loads(render([ENTRY], "json"))] == [ENTRY]


def test_markdown_keeps_its_columns() -> None:
    """Neither a bar nor a line break in a value breaks the table."""
    lines = render([ENTRY], "markdown").splitlines()

    assert len(lines) == 3
    assert "| ana \\| ben | =HYPERLINK() second |" in lines[2]


def test_unknown_format() -> None:
    """The error lists the formats."""
    with pytest.raises(ChoiceError, match="there is csv, json, markdown"):
        render([], "xml")


def test_settings_are_checked() -> None:
    """Names that git would not take, and unknown keys, are listed."""
    with pytest.raises(ConfigError) as caught:
        settings.parse({"branch": "a..b", "push": "no", "remotes": "x"})

    assert caught.value.problems == (
        "unknown key 'remotes', did you mean 'remote'?",
        "'push' must be true or false, not 'no'",
        "'branch' must be a name that git takes, not 'a..b'",
    )
