from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from estiba.deploy.kubernetes import migrations
from estiba.deploy.kubernetes.client.helm import Helm
from estiba.deploy.kubernetes.client.kubectl import Kubectl
from estiba.errors import DeployError, StrandedError
from estiba.process import Completed
from estiba.release_manifest import Migrations

if TYPE_CHECKING:
    from collections.abc import Sequence

OLD = Migrations(heads={"shop": ("0001_initial",)}, names=("shop.0001_initial",), contracts={}, irreversible={})
NEW = Migrations(
    heads={"shop": ("0003_drop",), "tags": ("0001_initial",)},
    names=("shop.0001_initial", "shop.0002_add", "shop.0003_drop", "tags.0001_initial"),
    contracts={"shop.0003_drop": ("drops shop.item.cost",)},
    irreversible={},
)


def test_what_only_adds_stays() -> None:
    """The old code lives with new columns and tables, so that nothing has to be taken back."""
    assert migrations.find_way_back(("shop.0002_add", "tags.0001_initial"), NEW, OLD) == ()


def test_what_removes_is_taken_back_to_the_old_head() -> None:
    """The app with a contracting migration returns to where the old release has it."""
    assert migrations.find_way_back(("shop.0002_add", "shop.0003_drop"), NEW, OLD) == (("shop", "0001_initial"),)


def test_app_that_the_old_release_has_not_returns_to_zero() -> None:
    """Its migrations are all taken back."""
    known = Migrations(heads={}, names=(), contracts={}, irreversible={})

    assert migrations.find_way_back(("shop.0003_drop",), NEW, known) == (("shop", "zero"),)


def test_what_cannot_be_taken_back_is_for_a_human() -> None:
    """The error names it, what is served, and the backup."""
    stuck = Migrations(
        heads=NEW.heads, names=NEW.names, contracts=NEW.contracts, irreversible={"shop.0003_drop": ("Raw SQL",)}
    )

    with pytest.raises(StrandedError) as caught:
        migrations.find_way_back(("shop.0003_drop",), stuck, OLD, served="revision 4 stays as it is")

    assert caught.value.message == (
        "these migrations removed what the release before needs, and cannot be taken back:\n"
        "  shop.0003_drop: Raw SQL\n"
        "  revision 4 stays as it is"
    )
    assert "backup" in caught.value.hint


JOB = {"metadata": {"name": "shop-migrate-2", "labels": {}}, "status": {"succeeded": 1}}
RAN = {"metadata": {"name": "shop-migrate-2-x"}, "status": {"phase": "Succeeded"}}
RENDERED = """
apiVersion: batch/v1
kind: Job
metadata: {name: shop-migrate-2, labels: {app.kubernetes.io/component: migrate}}
spec: {template: {metadata: {labels: {}}, spec: {containers: [{name: migrate, args: [migrate]}]}}}
"""
PENDING = ("shop.0002_add", "shop.0003_drop")
APPLIED = "  Applying shop.0002_add... OK\n"
ANSWER = 'waits for the database\n{"pending": [{"name": "shop.0003_drop"}]}\n'


def cluster(pods: list[dict[str, Any]], said: str | int, answer: str | int, **status: int) -> tuple[Helm, list[str]]:
    """Return Helm for a cluster with the Job of revision 2, whose log says something, or cannot be read."""
    commands: list[str] = []
    listed = {"items": [{**JOB, "status": status or JOB["status"]}]}
    ended = {"status": {"conditions": [{"type": "Complete", "status": "True"}]}}

    def run(argv: Sequence[str], **options: Any) -> Completed:  # noqa: ANN401 - as the runner takes them
        words = [word for word in argv[1:] if not word.startswith("--")]
        commands.append(" ".join(words))
        match words:
            case ["get", "jobs"]:
                found: str | int = json.dumps(listed)
            case ["get", "pods"]:
                found = json.dumps({"items": pods})
            case ["get", "job", _]:
                found = json.dumps(ended)
            case ["get", "hooks", _]:
                found = RENDERED
            case ["logs", "shop-migrate-2-x"]:
                found = said
            case ["logs", _]:
                found = answer
            case _:
                found = options.get("stdin") or ""
        code, text = (found, "") if isinstance(found, int) else (0, found)
        return Completed(argv=tuple(argv), code=code, stdout=text, tail="the node does not answer" if code else "")

    kubectl = Kubectl(runner=run, namespace="shop")
    return Helm(kubectl=kubectl, runner=run, watched=run, release="shop", timeout=9), commands


@pytest.mark.parametrize(
    ("pods", "said", "answer", "applied"),
    [
        pytest.param([RAN], APPLIED, 1, ("shop.0002_add",), id="log"),
        pytest.param([RAN], 1, ANSWER, ("shop.0002_add",), id="no log, the database answers"),
        pytest.param([], APPLIED, ANSWER, ("shop.0002_add",), id="no pod, the database answers"),
        pytest.param([RAN], 1, 1, PENDING, id="no log, no answer"),
        pytest.param([RAN], 1, "no JSON", PENDING, id="no log, another answer"),
    ],
)
def test_what_cannot_be_read_is_asked_from_the_database(
    pods: list[dict[str, Any]], said: str | int, answer: str | int, applied: tuple[str, ...]
) -> None:
    """Where that does not answer, all that could be applied counts as applied."""
    helm, _ = cluster(pods, said, answer)

    assert migrations.find_applied(helm, 2, {}, since=1, pending=PENDING, limit=9) == applied


def test_job_that_has_not_begun_never_does() -> None:
    """As one whose image cannot be pulled: nothing is applied, and nothing must be later."""
    waiting = {"phase": "Pending", "containerStatuses": [{"state": {"waiting": {"reason": "ErrImagePull"}}}]}
    helm, commands = cluster([{**RAN, "status": waiting}], 1, 1, active=1)

    assert migrations.find_applied(helm, 2, {}, since=1, pending=PENDING, limit=9) == ()
    assert commands[-1] == "delete job shop-migrate-2"


@pytest.mark.parametrize(
    ("answer", "is_done"),
    [
        pytest.param("  Unapplying shop.0003_drop... OK\n", True, id="taken back"),
        pytest.param('{"pending": [{"name": "shop.0003_drop"}]}\n', True, id="not applied"),
        pytest.param('{"pending": []}\n', False, id="on another branch"),
    ],
)
def test_way_back_is_only_one_if_all_is_taken_back(answer: str, *, is_done: bool) -> None:
    """`migrate APP NAME` leaves what lies on a branch beside the migration that it goes back to."""
    helm, _ = cluster([], "", answer)
    told: list[str] = []

    def reverse() -> None:
        steps = (("shop", "0001_initial"),)
        migrations.reverse(helm, 2, steps, contracts=["shop.0003_drop"], limit=9, on_status=told.append)

    if is_done:
        reverse()
    else:
        with pytest.raises(DeployError, match=r"are still applied: shop\.0003_drop"):
            reverse()
    assert told == ["taking shop back to 0001_initial"]
