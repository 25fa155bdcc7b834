"""Lending: catalogue, assignment, return, and the audit log."""

import pytest
from auditlog.registry import auditlog
from django.contrib.auth import get_user_model
from django.core.cache import caches
from django.core.management import CommandError, call_command
from django.db import IntegrityError
from django.test import Client

from lending.models import Assignment, Item


@pytest.fixture
def item(db: None) -> Item:
    """Return an item that nobody has."""
    return Item.objects.create(code="SEXTANT-1", name="Sextant")


@pytest.fixture
def staff(db: None) -> Client:
    """Return a member of staff who is logged in."""
    client = Client(raise_request_exception=False, headers={"x-forwarded-proto": "https"})
    client.force_login(get_user_model().objects.create_user("ada", is_staff=True))
    return client


def test_item_is_assigned_and_returned(staff: Client, item: Item) -> None:
    """An item goes to a person and comes back, and the audit log has both."""
    given = staff.post(f"/api/items/{item.code}/assign/", {"holder": "Grace"})
    back = staff.post(f"/api/items/{item.code}/return/")

    assert (given.status_code, given.json()["holder"], given.json()["returned"]) == (201, "Grace", None)
    assert (back.status_code, back.json()["item"]) == (200, item.code)
    log = staff.get("/api/audit_log/").json()["results"]
    assert [(one["action"], one["model"], one["actor"]) for one in log[:2]] == [
        ("update", "assignment", "ada"),
        ("create", "assignment", "ada"),
    ]


def test_item_is_with_one_person(staff: Client, item: Item) -> None:
    """What somebody has cannot be assigned, nor what nobody has be returned."""
    early = staff.post(f"/api/items/{item.code}/return/")
    item.assign("Grace")
    again = staff.post(f"/api/items/{item.code}/assign/", {"holder": "Ada"})

    assert (early.status_code, early.json()["detail"]) == (409, "SEXTANT-1 is with nobody")
    assert (again.status_code, again.json()["detail"][:28]) == (409, "SEXTANT-1 is with Grace since"[:28])
    with pytest.raises(IntegrityError):
        Assignment.objects.create(item=item, holder="Ada")


def test_only_staff_changes(item: Item) -> None:
    """Others may read the catalogue."""
    client = Client(headers={"x-forwarded-proto": "https"})
    client.force_login(get_user_model().objects.create_user("bob"))

    assert [one["code"] for one in client.get("/api/items/").json()["results"]] == [item.code]
    assert client.get("/api/assignments/").json()["results"] == []
    assert client.post("/api/items/", {"code": "X", "name": "x"}).status_code == 403
    assert client.post(f"/api/items/{item.code}/assign/", {"holder": "Bob"}).status_code == 403


def test_catalogue_is_read_from_its_cache(
    staff: Client, item: Item, django_capture_on_commit_callbacks: object
) -> None:
    """The catalogue is read from the cache until an item changes."""
    staff.get("/api/items/")
    Item.objects.filter(pk=item.pk).update(name="Octant")
    assert staff.get("/api/items/").json()["results"][0]["name"] == "Sextant"

    item.name = "Quadrant"
    with django_capture_on_commit_callbacks(execute=True):
        item.save()

    assert caches["catalogue"].get("items") is None
    assert staff.get("/api/items/").json()["results"][0]["name"] == "Quadrant"


def test_smoke_leaves_nothing(db: None, capsys: pytest.CaptureFixture[str]) -> None:
    """`smoke` lends, takes back, looks at the audit log, imports a workbook, and leaves nothing behind."""
    call_command("smoke")

    assert "the audit log has both; a workbook was imported" in capsys.readouterr().out
    assert (Item.objects.count(), Assignment.objects.count()) == (0, 0)


def test_smoke_notices_an_import_that_does_nothing(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the items of its workbook, `smoke` fails."""
    monkeypatch.setattr("lending.workbook._save", lambda items: (0, len(items)))

    with pytest.raises(CommandError, match=r"made \(0, 1\)"):
        call_command("smoke")


def test_smoke_notices_a_log_that_is_off(db: None) -> None:
    """Without entries in the audit log, `smoke` fails."""
    auditlog.unregister(Assignment)
    try:
        with pytest.raises(CommandError, match="the audit log has"):
            call_command("smoke")
    finally:
        auditlog.register(Assignment)
