"""The import of workbooks: what is taken, and what is refused."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.test import Client
from openpyxl import Workbook

from lending import workbook
from lending.models import Item

HEADING = ["code", "name", "description"]
GOOD = [["A-1", "Anchor", "heavy"], ["B-2", "Bell", None]]

pytestmark = pytest.mark.django_db


def pack(*rows: list[object], heading: list[str] = HEADING) -> io.BytesIO:
    """Return a workbook with these rows."""
    book = Workbook()
    for row in [heading, *rows]:
        book.active.append(row)
    file = io.BytesIO()
    book.save(file)
    file.seek(0)
    return file


@pytest.fixture
def upload() -> Callable[..., object]:
    """Return a function that sends a file as a member of staff."""
    client = Client(raise_request_exception=False, headers={"x-forwarded-proto": "https"})
    client.force_login(get_user_model().objects.create_user("ada", is_staff=True))

    def send(content: bytes, name: str = "items.xlsx") -> object:
        file = io.BytesIO(content)
        file.name = name
        return client.post("/api/items/import/", {"file": file})

    return send


def test_items_are_created_and_changed(upload: Callable[..., object]) -> None:
    """Rows become items; those that are known by their code are changed, empty rows do not count."""
    first = upload(pack(*GOOD).read())
    second = upload(pack(["A-1", "Great anchor", ""], [None, None, None], ["C-3", "Compass", ""]).read())

    assert (first.status_code, first.json()) == (200, {"created": 2, "updated": 0, "rejected": []})
    assert second.json() == {"created": 1, "updated": 1, "rejected": []}
    assert list(Item.objects.values_list("code", "name")) == [
        ("A-1", "Great anchor"),
        ("B-2", "Bell"),
        ("C-3", "Compass"),
    ]


def test_one_bad_row_rejects_all(upload: Callable[..., object]) -> None:
    """Each rejected row is named with its reasons, and nothing is half imported."""
    bad = [["bad code", "x", ""], ["D-4", "", ""], ["A-1", "Another anchor", ""], ["E-5", "=1+1", ""]]
    answer = upload(pack(*GOOD, *bad).read())

    rejected = answer.json()["errors"]["rejected"]
    assert (answer.status_code, Item.objects.count()) == (400, 0)
    assert [(one["row"], one["reasons"][0].split(":")[0]) for one in rejected] == [
        ("4", "code"),
        ("5", "name"),
        ("6", "code"),
        ("7", "name"),
    ]
    assert "formula" in rejected[3]["reasons"][0]


def bomb() -> bytes:
    """Return a small archive that becomes large."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b"0" * (workbook.MOST_UNPACKED + 1))
    return file.getvalue()


def archive() -> bytes:
    """Return an archive that is no workbook."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        made.writestr("readme.txt", "nothing")
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (lambda: b"code,name\nA-1,Anchor\n", "this is no Excel workbook"),
        (archive, "this is no workbook that can be read"),
        (lambda: pack().read()[:-100], "this is no Excel workbook"),
        (lambda: b"PK" + b"0" * workbook.MOST_BYTES, "larger than 5 MB"),
        (bomb, "larger than 50 MB when unpacked"),
        (lambda: pack(heading=["name", "code"]).read(), "the first row must be code, name, description"),
        (lambda: pack(heading=[*HEADING, "price"]).read(), "the first row must be code, name, description"),
        (lambda: pack(heading=[]).read(), "not empty"),
    ],
    ids=["csv", "archive", "cut", "large", "bomb", "columns", "more-columns", "empty"],
)
def test_what_is_no_workbook_is_refused(
    upload: Callable[..., object], content: Callable[[], bytes], reason: str
) -> None:
    """A file that cannot be read is refused with one sentence."""
    answer = upload(content())

    assert answer.status_code == 400
    assert reason in answer.json()["errors"]["file"][0]


def test_too_many_rows_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A workbook with more rows than one request should carry is refused."""
    monkeypatch.setattr(workbook, "MOST_ROWS", 1)

    with pytest.raises(workbook.WorkbookError, match="more than 1 rows"):
        workbook.load(pack(*GOOD))


def test_command_imports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`import_items` does the same for a file on the machine."""
    file = tmp_path / "items.xlsx"
    file.write_bytes(pack(*GOOD).read())

    call_command("import_items", str(file))

    assert capsys.readouterr().out == "2 items created, 0 updated\n"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "No such file"),
        (b"nonsense", "this is no Excel workbook"),
        (pack(["?", "x", ""]).read(), "nothing was imported, for these rows cannot be:\n  row 2: code: use capitals"),
    ],
    ids=["missing", "nonsense", "row"],
)
def test_command_says_why_not(tmp_path: Path, content: bytes | None, reason: str) -> None:
    """One clear error, and nothing is imported."""
    file = tmp_path / "items.xlsx"
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(CommandError, match=f"items.xlsx: .*{reason}".replace("?", r"\?")):
        call_command("import_items", str(file))
    assert Item.objects.count() == 0
