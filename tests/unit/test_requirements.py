"""The table of the five teams' requirements is whole, and every test that it names is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
TEMPLATE = ROOT / "cookiecutter-template" / "{{ cookiecutter.project_slug }}"
COUNTS = {"0": 30, "1": 31, "2": 24, "3": 30, "4": 24}
"""Rows of each team, by the first digit of their IDs."""

NOT_YET = re.compile(r"\*not yet\*: \w.{3,}")


class Row(NamedTuple):
    """A row of the table."""

    number: str
    requirement: str
    where: str
    shown: str


def rows() -> list[Row]:
    """Return the rows of the table."""
    lines = (ROOT / "docs" / "requirements.md").read_text().splitlines()
    found = [re.split(r"(?<!\\) \| ", line[2:-2]) for line in lines if re.match(r"\| \d\.", line)]
    return [Row(*(cell.strip() for cell in cells)) for cells in found]


def list_tests(shown: str) -> list[tuple[Path, str]]:
    """Return the file and the name of each test in a cell."""
    named = re.findall(r"`(template )?(\S+\.py)::(\w+)`", shown)
    return [((TEMPLATE if of_service else ROOT) / file, name) for of_service, file, name in named]


def defined(file: Path) -> set[str]:
    """Return the functions of a test file, an empty set where there is none."""
    if not file.exists():
        return set()
    # Names of the template stand in strings and imports of its tests.
    text = re.sub(r"\{\{[^}]*\}\}", "service", file.read_text())
    return {node.name for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)}


def test_table_is_whole() -> None:
    """Each of the 139 sentences has its row, once."""
    numbers = [row.number for row in rows()]

    assert len(set(numbers)) == len(numbers) == sum(COUNTS.values()) == 139
    assert {team: sum(one.startswith(f"{team}.") for one in numbers) for team in COUNTS} == COUNTS


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.number)
def test_row_is_shown_or_says_why_not(row: Row) -> None:
    """What works says where it lives and names tests that are there; what does not says what is missing."""
    named = list_tests(row.shown)

    assert [f"{file.name}::{name}" for file, name in named if name not in defined(file)] == []
    assert row.requirement
    assert NOT_YET.search(row.shown) or (named and row.where)
    assert bool(row.where) is bool(named)
